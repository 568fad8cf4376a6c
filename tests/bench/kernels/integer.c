/* Integer loops, and the three parts of the best-known mixed integer benchmark: a list, a matrix, a
 * state machine. */
#include "kernels.h"

enum {
    CRC_BYTES = 4096,
    CRC_ROUNDS = 1000,
    SIEVE_LIMIT = 1 << 20,
    SIEVE_ROUNDS = 15,
    TEXT_BYTES = 1000,
    TEXT_COUNT = 64,
    TEXT_ROUNDS = 1600,
    LIST_NODES = 1000,
    LIST_ROUNDS = 8000,
    MATRIX_SIDE = 64,
    MATRIX_ROUNDS = 200,
    STATE_BYTES = 1 << 16,
    STATE_ROUNDS = 250,
};

static void fill_random(uint8_t *bytes, size_t count)
{
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(next_random(&state) >> 24);
    }
}

void setup_crc(void)
{
    fill_random(arena, CRC_BYTES);
}

uint64_t kernel_crc(void)
{
    uint32_t crc = ~0u;
    for (int round = 0; round < CRC_ROUNDS; round++) {
        for (int i = 0; i < CRC_BYTES; i++) {
            crc ^= arena[i];
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
            }
        }
    }
    return ~crc;
}

void setup_sieve(void)
{
}

uint64_t kernel_sieve(void)
{
    uint64_t primes = 0;
    for (int round = 0; round < SIEVE_ROUNDS; round++) {
        for (size_t i = 0; i < SIEVE_LIMIT; i++) {
            arena[i] = 1;
        }
        for (size_t n = 2; n < SIEVE_LIMIT; n++) {
            if (arena[n] != 0) {
                primes++;
                for (size_t multiple = n * 2; multiple < SIEVE_LIMIT; multiple += n) {
                    arena[multiple] = 0;
                }
            }
        }
    }
    return primes;
}

void setup_strlen(void)
{
    for (int text = 0; text < TEXT_COUNT; text++) {
        uint8_t *at = arena + text * TEXT_BYTES;
        for (int i = 0; i < TEXT_BYTES; i++) {
            at[i] = 'x';
        }
        at[TEXT_BYTES - 1 - text] = 0;
    }
}

static __attribute__((noinline)) size_t text_length(const char *text)
{
    const char *end = text;
    while (*end != 0) {
        end++;
    }
    return (size_t)(end - text);
}

uint64_t kernel_strlen(void)
{
    uint64_t total = 0;
    for (int round = 0; round < TEXT_ROUNDS; round++) {
        for (int text = 0; text < TEXT_COUNT; text++) {
            total += text_length((const char *)arena + text * TEXT_BYTES);
        }
    }
    return total;
}

struct node {
    struct node *next;
    int16_t key;
    int16_t data;
};

static struct node *list_reverse(struct node *list)
{
    struct node *done = NULL;
    while (list != NULL) {
        struct node *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static const struct node *list_find(const struct node *list, int16_t key)
{
    while (list != NULL && list->key != key) {
        list = list->next;
    }
    return list;
}

/* The nodes lie in a shuffled order, as in a heap that is in use. */
void setup_mixed_list(void)
{
    struct node *nodes = (struct node *)arena;
    uint64_t state = 1234567;
    for (int i = 0; i < LIST_NODES; i++) {
        nodes[i] = (struct node){.key = (int16_t)i, .data = (int16_t)(i * 7)};
    }
    for (int i = LIST_NODES - 1; i > 1; i--) {
        int other = 1 + (int)(next_random(&state) % (uint64_t)i);
        int16_t key = nodes[i].key;
        nodes[i].key = nodes[other].key;
        nodes[other].key = key;
    }
    for (int i = 0; i < LIST_NODES; i++) {
        int16_t next = (int16_t)(nodes[i].key + 1);
        for (int other = 0; other < LIST_NODES; other++) {
            if (nodes[other].key == next) {
                nodes[i].next = &nodes[other];
            }
        }
    }
}

uint64_t kernel_mixed_list(void)
{
    struct node *list = (struct node *)arena;
    uint64_t hash = 0;
    for (int round = 0; round < LIST_ROUNDS; round++) {
        const struct node *found = list_find(list, (int16_t)(round * 37 % LIST_NODES));
        hash = mix(hash, found != NULL ? (uint64_t)found->data : 0);
        list = list_reverse(list);
        for (struct node *n = list; n != NULL; n = n->next) {
            n->data = (int16_t)(n->data ^ n->key);
            hash += (uint64_t)n->data & 15;
        }
    }
    return hash;
}

void setup_mixed_matrix(void)
{
    int16_t *a = (int16_t *)arena;
    for (int i = 0; i < 2 * MATRIX_SIDE * MATRIX_SIDE; i++) {
        a[i] = (int16_t)(i * 31 % 127 - 60);
    }
}

uint64_t kernel_mixed_matrix(void)
{
    int16_t *a = (int16_t *)arena;
    const int16_t *b = a + MATRIX_SIDE * MATRIX_SIDE;
    uint64_t hash = 0;
    for (int round = 0; round < MATRIX_ROUNDS; round++) {
        for (int row = 0; row < MATRIX_SIDE; row++) {
            for (int column = 0; column < MATRIX_SIDE; column++) {
                int32_t sum = 0;
                for (int k = 0; k < MATRIX_SIDE; k++) {
                    int32_t product = a[row * MATRIX_SIDE + k] * b[k * MATRIX_SIDE + column];
                    sum += (product >> 2 & 15) * (product >> 5 & 127);
                }
                hash += (uint64_t)(uint32_t)sum;
            }
        }
        a[round] = (int16_t)hash;
    }
    return hash;
}

void setup_mixed_state(void)
{
    static const char text[] = "5012,1234,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,"
                               "-.123e-2,-87e+832,+0.6e-12,T0.3e-1F,-T.T++Tq,1T3.4e4z,34.0e-T^,";
    uint64_t state = 42;
    for (int i = 0; i < STATE_BYTES; i++) {
        arena[i] = (uint8_t)text[i % (int)(sizeof text - 1)];
        if (next_random(&state) % 32 == 0) {
            arena[i] = ',';
        }
    }
    arena[STATE_BYTES] = 0;
}

enum scan { SCAN_START, SCAN_SIGN, SCAN_INT, SCAN_FLOAT, SCAN_EXPONENT, SCAN_POWER, SCAN_BAD };

static enum scan scan_step(enum scan state, uint8_t c)
{
    int digit = c >= '0' && c <= '9';
    switch (state) {
    case SCAN_START:
        return digit ? SCAN_INT : c == '+' || c == '-' ? SCAN_SIGN
                              : c == '.'             ? SCAN_FLOAT
                                                     : SCAN_BAD;
    case SCAN_SIGN:
        return digit ? SCAN_INT : c == '.' ? SCAN_FLOAT : SCAN_BAD;
    case SCAN_INT:
        return digit ? SCAN_INT : c == '.' ? SCAN_FLOAT : SCAN_BAD;
    case SCAN_FLOAT:
        return digit ? SCAN_FLOAT : c == 'e' ? SCAN_EXPONENT : SCAN_BAD;
    case SCAN_EXPONENT:
        return c == '+' || c == '-' ? SCAN_POWER : SCAN_BAD;
    case SCAN_POWER:
        return digit ? SCAN_POWER : SCAN_BAD;
    default:
        return SCAN_BAD;
    }
}

uint64_t kernel_mixed_state(void)
{
    uint32_t ends[8] = {0};
    for (int round = 0; round < STATE_ROUNDS; round++) {
        enum scan state = SCAN_START;
        for (const uint8_t *c = arena; *c != 0; c++) {
            if (*c == ',') {
                ends[state]++;
                state = SCAN_START;
            } else {
                state = scan_step(state, *c);
            }
        }
    }
    uint64_t hash = 0;
    for (int i = 0; i < 8; i++) {
        hash = mix(hash, ends[i]);
    }
    return hash;
}
