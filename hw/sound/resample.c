/* See resample.h. */
#include "hw/sound/resample.h"

#include <math.h>

/* The modified Bessel function of order 0, for Kaiser's window. */
static double bessel_i0(double x)
{
    double sum = 1, term = 1;
    for (unsigned k = 1; k < 40; k++) {
        term *= (x / (2 * k)) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

static double kernel(double distance, double cutoff)
{
    const double beta = 9, half = RESAMPLE_TAPS / 2.0, pi = 3.14159265358979323846;
    double place = distance / half;
    if (place <= -1 || place >= 1) {
        return 0;
    }
    double x = pi * distance * cutoff;
    double sinc = x > -1e-9 && x < 1e-9 ? 1 : sin(x) / x;
    return cutoff * sinc * bessel_i0(beta * sqrt(1 - place * place)) / bessel_i0(beta);
}

/* The cut-off lies a little below half the lower rate, as the filter is not steep. */
void resample_init(struct resample *resample, u32 from_hz, u32 to_hz)
{
    double cutoff = to_hz < from_hz ? 0.92 * to_hz / from_hz : from_hz == to_hz ? 1 : 0.92;
    for (unsigned phase = 0; phase <= RESAMPLE_PHASES; phase++) {
        double sum = 0;
        for (int tap = 0; tap < RESAMPLE_TAPS; tap++) {
            double distance = tap - RESAMPLE_BEFORE - (double)phase / RESAMPLE_PHASES;
            double weight = kernel(distance, cutoff);
            resample->weights[phase][tap] = (float)weight;
            sum += weight;
        }
        for (int tap = 0; tap < RESAMPLE_TAPS; tap++) { /* constant sound stays what it is */
            resample->weights[phase][tap] = (float)(resample->weights[phase][tap] / sum);
        }
    }
}

u64 resample_step(u32 from_hz, u32 to_hz)
{
    return ((u64)from_hz << 32) / to_hz;
}

void resample_frame(const struct resample *resample, const float *frames, u32 fraction,
                    float out[2])
{
    u64 place = (u64)fraction * RESAMPLE_PHASES;
    const float *low = resample->weights[place >> 32];
    const float *high = resample->weights[(place >> 32) + 1];
    float mix = (float)(u32)place / 4294967296.0f;
    float left = 0, right = 0;
    for (unsigned tap = 0; tap < RESAMPLE_TAPS; tap++) {
        float weight = low[tap] + mix * (high[tap] - low[tap]);
        left += weight * frames[2 * tap];
        right += weight * frames[2 * tap + 1];
    }
    out[0] = left;
    out[1] = right;
}
