/* Control transfer: calls and returns, indirect calls and jumps, big switches. */
#include "kernels.h"

enum {
    SORT_COUNT = 1 << 14,
    SORT_ROUNDS = 10,
    FIB_N = 32,
    BYTECODE_ROUNDS = 800000,
    SHAPES = 1 << 10,
    SHAPE_ROUNDS = 3000,
    JSON_BYTES = 1 << 16,
    JSON_ROUNDS = 250,
};

typedef int (*compare_fn)(const void *, const void *);

static int compare_up(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int compare_down(const void *a, const void *b)
{
    return compare_up(b, a);
}

static void sift(uint64_t *heap, size_t at, size_t count, compare_fn compare)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && compare(&heap[child], &heap[child + 1]) < 0) {
            child++;
        }
        if (compare(&heap[at], &heap[child]) >= 0) {
            return;
        }
        uint64_t swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
        at = child;
    }
}

static __attribute__((noinline)) void heapsort(uint64_t *heap, size_t count, compare_fn compare)
{
    for (size_t i = count / 2; i-- > 0;) {
        sift(heap, i, count, compare);
    }
    for (size_t end = count - 1; end > 0; end--) {
        uint64_t swap = heap[0];
        heap[0] = heap[end];
        heap[end] = swap;
        sift(heap, 0, end, compare);
    }
}

void setup_heapsort(void)
{
}

uint64_t kernel_heapsort(void)
{
    uint64_t *numbers = (uint64_t *)arena;
    uint64_t hash = 0, state = 7;
    for (int round = 0; round < SORT_ROUNDS; round++) {
        compare_fn compare = round & 1 ? compare_down : compare_up;
        HIDE(compare);
        for (int i = 0; i < SORT_COUNT; i++) {
            numbers[i] = next_random(&state);
        }
        heapsort(numbers, SORT_COUNT, compare);
        hash = mix(hash, numbers[SORT_COUNT / 3]);
    }
    return hash;
}

/* gcc would unroll the recursion into a loop of its own making. */
static __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls,no-inline"))) uint64_t
fib(uint64_t n)
{
    if (n < 2) {
        return n;
    }
    uint64_t first = fib(n - 1);
    return first + fib(n - 2);
}

void setup_fib(void)
{
}

uint64_t kernel_fib(void)
{
    return fib(FIB_N);
}

void setup_bytecode(void)
{
}

/* A stack machine with computed goto. The program, for i = n down to 1:
 * acc = (acc * 31 + i) ^ acc >> 7. */
uint64_t kernel_bytecode(void)
{
    enum { PUSH, LOAD, STORE, MUL, ADD, XOR, SHR, DEC, JNZ, HALT };
    static const uint8_t program[] = {
        LOAD, 1, PUSH, 31, MUL, LOAD, 0, ADD, LOAD, 1, PUSH, 7, SHR, XOR,
        STORE, 1, DEC, 0, JNZ, 0, HALT,
    };
    static const void *const ops[] = {
        &&push, &&load, &&store, &&mul, &&add, &&xor, &&shr, &&dec, &&jnz, &&halt,
    };
    uint64_t variables[2] = {BYTECODE_ROUNDS, 1};
    uint64_t stack[8];
    uint64_t *top = stack;
    const uint8_t *pc = program;
#define NEXT goto *ops[*pc++]
    NEXT;
push:
    *top++ = *pc++;
    NEXT;
load:
    *top++ = variables[*pc++];
    NEXT;
store:
    variables[*pc++] = *--top;
    NEXT;
mul:
    top--;
    top[-1] *= top[0];
    NEXT;
add:
    top--;
    top[-1] += top[0];
    NEXT;
xor:
    top--;
    top[-1] ^= top[0];
    NEXT;
shr:
    top--;
    top[-1] >>= top[0];
    NEXT;
dec:
    variables[*pc++]--;
    NEXT;
jnz:
    pc = variables[0] != 0 ? program + *pc : pc + 1;
    NEXT;
halt:
#undef NEXT
    return variables[1];
}

struct shape;
struct shape_class {
    uint64_t (*area)(const struct shape *);
    void (*grow)(struct shape *, uint64_t);
};
struct shape {
    const struct shape_class *class;
    uint64_t a, b;
};

static uint64_t rect_area(const struct shape *s) { return s->a * s->b; }
static uint64_t disc_area(const struct shape *s) { return s->a * s->a * 355 / 113; }
static uint64_t line_area(const struct shape *s) { return s->b; }
static void grow_a(struct shape *s, uint64_t by) { s->a = (s->a + by) & 0xffff; }
static void grow_b(struct shape *s, uint64_t by) { s->b = (s->b ^ by) & 0xffff; }

static const struct shape_class classes[] = {
    {rect_area, grow_a}, {disc_area, grow_a}, {line_area, grow_b}, {rect_area, grow_b},
};

void setup_virtual_calls(void)
{
    struct shape *shapes = (struct shape *)arena;
    uint64_t state = 3;
    for (int i = 0; i < SHAPES; i++) {
        shapes[i] = (struct shape){&classes[next_random(&state) >> 20 & 3], (uint64_t)i, 77};
    }
}

uint64_t kernel_virtual_calls(void)
{
    struct shape *shapes = (struct shape *)arena;
    uint64_t total = 0;
    for (int round = 0; round < SHAPE_ROUNDS; round++) {
        for (int i = 0; i < SHAPES; i++) {
            struct shape *s = &shapes[i];
            total += s->class->area(s);
            s->class->grow(s, total & 15);
        }
    }
    return total;
}

void setup_parser(void)
{
    static const char text[] = "{\"name\": \"riscv\", "
                               "\"list\": [1, 22, -333, 4.5e6, true, false, null], "
                               "\"nest\": {\"a\\\"b\": [[], {}, \"\\u0041\"]}}\n";
    for (int i = 0; i < JSON_BYTES; i++) {
        arena[i] = (uint8_t)text[i % (int)(sizeof text - 1)];
    }
    arena[JSON_BYTES] = 0;
}

/* A tokeniser of JSON: one switch over the character, as compilers make jump tables of. */
static __attribute__((noinline)) uint64_t tokenise(const uint8_t *at)
{
    uint64_t hash = 0, depth = 0, number = 0;
    for (;; at++) {
        switch (*at) {
        case 0:
            return mix(hash, depth);
        case '{': case '[':
            depth++;
            break;
        case '}': case ']':
            depth--;
            hash += depth;
            break;
        case '"':
            for (at++; *at != '"' && *at != 0; at++) {
                hash = hash * 33 + *at;
                at += *at == '\\';
            }
            break;
        case '0': case '1': case '2': case '3': case '4':
        case '5': case '6': case '7': case '8': case '9':
            number = number * 10 + *at - '0';
            break;
        case ',':
            hash = mix(hash, number);
            number = 0;
            break;
        case ':': hash ^= 1; break;
        case '-': hash ^= 2; break;
        case '.': hash ^= 3; break;
        case 't': hash += 5, at += 3; break;
        case 'f': hash += 7, at += 4; break;
        case 'n': hash += 11, at += 3; break;
        case 'e': number ^= 9; break;
        case ' ': case '\n': case '\t': case '\r':
            break;
        default:
            hash++;
            break;
        }
    }
}

uint64_t kernel_parser(void)
{
    uint64_t hash = 0;
    for (int round = 0; round < JSON_ROUNDS; round++) {
        hash = mix(hash, tokenise(arena));
    }
    return hash;
}
