/* See trace_decode.h.
 *
 * A unit is pending until the next word of its stream says how far it came: another unit means all
 * the way, a trap or SYNC event means as far as its instruction count. Other events happen inside
 * of it: the steps before them are told first. */
#include "ui/trace/trace_decode.h"

#include <stdlib.h>
#include <string.h>

void trace_decoder_init(struct trace_decoder *decoder, const struct trace_callbacks *callbacks,
                        bool (*get_unit)(void *opaque, u32 number, struct metic_trace_unit *unit),
                        void *unit_opaque)
{
    memset(decoder, 0, sizeof(*decoder));
    decoder->callbacks = *callbacks;
    decoder->get_unit = get_unit;
    decoder->unit_opaque = unit_opaque;
    for (unsigned i = 0; i <= METIC_MAX_HARTS; i++) {
        decoder->streams[i].privilege = ~0u;
    }
}

void trace_decoder_fini(struct trace_decoder *decoder)
{
    free(decoder->units);
}

const struct metic_trace_unit *trace_decoder_unit(struct trace_decoder *decoder, u32 number)
{
    if (LIKELY(number < decoder->unit_count)) {
        return &decoder->units[number];
    }
    if (number >= METIC_TRACE_EVENT) {
        return NULL;
    }
    if (number >= decoder->unit_capacity) {
        u32 capacity = number * 2 + 1024;
        void *bigger = realloc(decoder->units, capacity * sizeof(*decoder->units));
        if (bigger == NULL) {
            return NULL;
        }
        decoder->units = bigger;
        decoder->unit_capacity = capacity;
    }
    for (; decoder->unit_count <= number; decoder->unit_count++) {
        if (!decoder->get_unit(decoder->unit_opaque, decoder->unit_count,
                               &decoder->units[decoder->unit_count])) {
            return NULL;
        }
    }
    return &decoder->units[number];
}

/* Tells of the pending unit's steps below number `end`. */
static void tell_steps(struct trace_decoder *decoder, struct trace_stream *stream, unsigned end)
{
    const struct metic_trace_unit *unit = &decoder->units[stream->unit];
    end = end < unit->insn_count ? end : unit->insn_count;
    while (stream->told < end && stream->code + 2 <= unit->bytes) {
        const u8 *code = unit->code + stream->code;
        unsigned bytes = metic_insn_bytes(code);
        unsigned last = stream->slot;
        while (last < unit->slot_count && unit->slots[last].insn == stream->told) {
            last++;
        }
        struct trace_step step = {
            .stream = (unsigned)(stream - decoder->streams),
            .insns = stream->insns + stream->told,
            .pc = stream->pc + stream->code, .code = code, .bytes = bytes,
            .privilege = stream->unit_privilege, .satp = stream->unit_satp, .ns = stream->ns,
            .order_ns = stream->order_ns,
            .ns_insns = stream->ns_insns,
            .slots = unit->slots + stream->slot, .words = stream->words + stream->slot,
            .slot_count = last - stream->slot, .unit = stream->unit, .first = stream->told == 0,
            .mine = stream->unit_mine,
        };
        if (stream->wanted) {
            decoder->callbacks.step(decoder->callbacks.opaque, &step);
        }
        stream->slot = last;
        stream->code += bytes;
        stream->told++;
    }
}

/* The pending unit came as far as its instruction number `retired`. */
static void finish(struct trace_decoder *decoder, struct trace_stream *stream, u64 retired)
{
    if (!stream->pending) {
        return;
    }
    const struct metic_trace_unit *unit = &decoder->units[stream->unit];
    unsigned count = retired < unit->insn_count ? (unsigned)retired : unit->insn_count;
    stream->pending = false;
    if (decoder->callbacks.unit != NULL) {
        decoder->callbacks.unit(decoder->callbacks.opaque,
                                (unsigned)(stream - decoder->streams), stream->unit, stream->pc,
                                count);
    }
    if (decoder->callbacks.step != NULL && stream->wanted) {
        tell_steps(decoder, stream, count);
    }
    stream->insns += count;
}

static void look_whose(const struct trace_decoder *decoder, struct trace_stream *stream)
{
    stream->mine = decoder->who == NULL ||
                   trace_who_is(decoder->who, stream->privilege, stream->satp, stream->task);
}

void trace_decode_task(struct trace_decoder *decoder, unsigned stream, const char name[16])
{
    memcpy(decoder->streams[stream].task, name, sizeof(decoder->streams[stream].task));
}

static void begin_unit(const struct trace_decoder *decoder, struct trace_stream *stream, u32 number,
                       const struct metic_trace_unit *unit, const u64 *words)
{
    stream->pending = true;
    stream->unit = number;
    stream->unit_privilege = stream->privilege;
    stream->unit_satp = stream->satp;
    stream->unit_mine = stream->mine;
    stream->pc = trace_page(words[0], unit->address) | (unit->address & 0xfff);
    stream->told = 0;
    stream->slot = 0;
    stream->code = 0;
    stream->words = words + 1;
    stream->wanted = decoder->callbacks.wants == NULL ||
                     decoder->callbacks.wants(decoder->callbacks.opaque, number, stream->pc,
                                              words + 1);
}

static void take_event(struct trace_decoder *decoder, struct trace_stream *stream, u32 head,
                       const u64 *words)
{
    struct trace_event event = {
        .stream = (unsigned)(stream - decoder->streams),
        .kind = (enum metic_trace_event)(head >> 8 & 0xff),
        .insns = words[0], .ns = words[1], .words = words + 2, .count = (head & 0xff) - 2,
    };
    bool cuts = event.kind == METIC_EVENT_SYNC || event.kind == METIC_EVENT_TRAP;
    u64 retired = event.insns - stream->insns;
    if (cuts) {
        finish(decoder, stream, retired);
        stream->insns = event.insns;
    } else if (stream->pending && decoder->callbacks.step != NULL && event.insns >= stream->insns) {
        tell_steps(decoder, stream, retired < 256 ? (unsigned)retired : 256);
        event.pc = retired < decoder->units[stream->unit].insn_count ? stream->pc + stream->code
                                                                     : 0;
    }
    bool turn = event.kind == METIC_EVENT_SYNC && event.count != 0;
    if (!decoder->has_turns || turn || event.kind == METIC_EVENT_IO) {
        stream->order_ns = turn ? event.words[0] : event.ns;
    }
    event.order_ns = stream->order_ns;
    stream->ns = event.ns;
    stream->ns_insns = event.insns;
    if (event.kind == METIC_EVENT_CONTEXT && event.count >= 2) {
        stream->privilege = (u32)event.words[0];
        stream->satp = event.words[1];
    } else if (event.kind == METIC_EVENT_TASK && event.count >= 3) {
        memcpy(stream->task, &event.words[1], sizeof(stream->task));
    }
    event.mine = stream->mine;
    look_whose(decoder, stream);
    event.mine |= stream->mine;
    event.privilege = stream->privilege;
    event.satp = stream->satp;
    if (decoder->callbacks.event != NULL) {
        decoder->callbacks.event(decoder->callbacks.opaque, &event);
    }
}

static void begin_chunk(struct trace_decoder *decoder, struct trace_stream *stream,
                        const struct metic_trace_chunk *chunk)
{
    if (stream->known && chunk->sequence == stream->next_sequence) {
        stream->next_sequence++;
        look_whose(decoder, stream);
        return;
    }
    finish(decoder, stream, ~(u64)0);
    stream->known = true;
    stream->next_sequence = chunk->sequence + 1;
    stream->insns = chunk->start_insns;
    stream->privilege = chunk->privilege;
    stream->satp = chunk->satp;
    stream->ns = chunk->start_ns;
    stream->order_ns = decoder->has_turns ? chunk->turn_ns : chunk->start_ns;
    stream->ns_insns = chunk->start_insns;
    look_whose(decoder, stream);
}

/* Instructions that the reader has passed over; number of words, 0 when there are too few. */
static size_t pass_over(struct trace_decoder *decoder, struct trace_stream *stream,
                        const u64 *words, size_t left)
{
    if (left < 2) {
        return 0;
    }
    u32 registers = (u32)words[1];
    size_t count = 2 + (size_t)__builtin_popcount(registers);
    if (count > left) {
        return 0;
    }
    finish(decoder, stream, ~(u64)0);
    stream->insns += words[0] >> 28;
    if (decoder->callbacks.passed != NULL && registers != 0) {
        decoder->callbacks.passed(decoder->callbacks.opaque, registers, words + 2);
    }
    return count;
}

bool trace_decode(struct trace_decoder *decoder, const struct metic_trace_chunk *chunk)
{
    if (chunk->stream > METIC_MAX_HARTS) {
        return false;
    }
    struct trace_stream *stream = &decoder->streams[chunk->stream];
    begin_chunk(decoder, stream, chunk);
    for (size_t i = 0; i < chunk->count;) {
        u32 head = (u32)chunk->words[i] & METIC_TRACE_NUMBER;
        if (head >= METIC_TRACE_EVENT) {
            unsigned count = head & 0xff;
            if (count < 2 || count > chunk->count - i - 1) {
                return false;
            }
            take_event(decoder, stream, head, chunk->words + i + 1);
            i += 1 + count;
            continue;
        }
        if (head == METIC_TRACE_LEFT) {
            size_t count = pass_over(decoder, stream, chunk->words + i, chunk->count - i);
            if (count == 0) {
                return false;
            }
            i += count;
            continue;
        }
        const struct metic_trace_unit *unit = trace_decoder_unit(decoder, head);
        if (unit == NULL || unit->slot_count > chunk->count - i - 1 ||
            unit->slot_count > TRACE_UNIT_SLOTS_MAX) {
            return false;
        }
        finish(decoder, stream, ~(u64)0);
        begin_unit(decoder, stream, head, unit, chunk->words + i);
        i += 1u + unit->slot_count;
    }
    if (stream->pending) {
        const struct metic_trace_unit *unit = &decoder->units[stream->unit];
        memmove(stream->kept, stream->words, unit->slot_count * sizeof(u64));
        stream->words = stream->kept;
    }
    return true;
}

void trace_decode_end(struct trace_decoder *decoder)
{
    for (unsigned i = 0; i <= METIC_MAX_HARTS; i++) {
        finish(decoder, &decoder->streams[i], ~(u64)0);
    }
}
