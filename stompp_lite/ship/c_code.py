"""The C functions that an exported network is made of, each with those that it needs.

Floats lie as in torch: channels, then rows, then columns. Signs lie with channels last, in words of
32 bits whose unused bits are 0.
"""

from __future__ import annotations

#: Name -> (helpers that it needs, C99 text). A helper needs earlier ones only.
HELPERS: dict[str, tuple[tuple[str, ...], str]] = {}

HELPERS["window"] = (
    (),
    """\
typedef struct {
    int32_t c, h, w; /* the image */
    int32_t o, oh, ow; /* the result */
    int32_t kh, kw, sh, sw, ph, pw, dh, dw, groups;
} window;
""",
)
HELPERS["word_count"] = (
    (),
    """\
static int32_t word_count(int32_t channels)
{
    return (channels + 31) / 32;
}
""",
)
HELPERS["count_ones"] = (
    (),
    """\
static int32_t count_ones(uint32_t x)
{
    x = x - ((x >> 1) & 0x55555555u);
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    return (int32_t)((x * 0x01010101u) >> 24);
}
""",
)
HELPERS["bit"] = (
    (),
    """\
static uint32_t bit(const uint32_t *words, int32_t i)
{
    return (words[i / 32] >> (i % 32)) & 1u;
}
""",
)
HELPERS["pack_signs"] = (
    ("word_count",),
    """\
static void pack_signs(const real *x, int32_t channels, int32_t pixels, uint32_t *out)
{
    const int32_t words = word_count(channels);
    for (int32_t i = 0; i < words * pixels; i++)
        out[i] = 0;
    for (int32_t c = 0; c < channels; c++)
        for (int32_t p = 0; p < pixels; p++)
            if (x[c * pixels + p] >= 0)
                out[p * words + c / 32] |= (uint32_t)1 << (c % 32);
}
""",
)
HELPERS["unpack_signs"] = (
    ("word_count", "bit"),
    """\
static void unpack_signs(const uint32_t *x, int32_t channels, int32_t pixels, real *out)
{
    const int32_t words = word_count(channels);
    for (int32_t c = 0; c < channels; c++)
        for (int32_t p = 0; p < pixels; p++)
            out[c * pixels + p] = bit(x + p * words, c) ? 1 : -1;
}
""",
)
HELPERS["flatten_signs"] = (
    ("word_count", "bit"),
    """\
static void flatten_signs(const uint32_t *x, int32_t channels, int32_t pixels, uint32_t *out)
{
    const int32_t words = word_count(channels);
    for (int32_t i = 0; i < word_count(channels * pixels); i++)
        out[i] = 0;
    for (int32_t c = 0; c < channels; c++)
        for (int32_t p = 0; p < pixels; p++) {
            const int32_t i = c * pixels + p;
            out[i / 32] |= bit(x + p * words, c) << (i % 32);
        }
}
""",
)
HELPERS["or_pool"] = (
    ("window", "word_count"),
    """\
static void or_pool(const uint32_t *x, const window *g, uint32_t *out)
{
    const int32_t words = word_count(g->c);
    for (int32_t y = 0; y < g->oh; y++)
        for (int32_t z = 0; z < g->ow; z++)
            for (int32_t k = 0; k < words; k++) {
                uint32_t any = 0;
                for (int32_t i = 0; i < g->kh; i++)
                    for (int32_t j = 0; j < g->kw; j++) {
                        const int32_t a = y * g->sh - g->ph + i * g->dh;
                        const int32_t b = z * g->sw - g->pw + j * g->dw;
                        if (a >= 0 && a < g->h && b >= 0 && b < g->w)
                            any |= x[(a * g->w + b) * words + k];
                    }
                out[(y * g->ow + z) * words + k] = any;
            }
}
""",
)
HELPERS["sum_of_signs"] = (
    ("window", "word_count", "count_ones", "bit"),
    """\
/* One output: taps outside of the image add nothing. */
static int32_t sum_of_signs(const uint32_t *x, const window *g, const uint32_t *w, int32_t o,
                            int32_t y, int32_t z)
{
    const int32_t channels = g->c / g->groups, words = word_count(channels);
    const int32_t first = o / (g->o / g->groups) * channels;
    int32_t sum = 0;
    w += o * g->kh * g->kw * words;
    for (int32_t i = 0; i < g->kh; i++)
        for (int32_t j = 0; j < g->kw; j++, w += words) {
            const int32_t a = y * g->sh - g->ph + i * g->dh, b = z * g->sw - g->pw + j * g->dw;
            const uint32_t *at;
            if (a < 0 || a >= g->h || b < 0 || b >= g->w)
                continue;
            at = x + (a * g->w + b) * word_count(g->c);
            sum += channels;
            if (g->groups == 1) {
                for (int32_t k = 0; k < words; k++)
                    sum -= 2 * count_ones(at[k] ^ w[k]);
            } else {
                for (int32_t c = 0; c < channels; c++)
                    sum -= 2 * (int32_t)(bit(at, first + c) ^ bit(w, c));
            }
        }
    return sum;
}
""",
)
HELPERS["xnor_sums"] = (
    ("sum_of_signs",),
    """\
static void xnor_sums(const uint32_t *x, const window *g, const uint32_t *w, real *out)
{
    for (int32_t o = 0; o < g->o; o++)
        for (int32_t y = 0; y < g->oh; y++)
            for (int32_t z = 0; z < g->ow; z++)
                out[(o * g->oh + y) * g->ow + z] = (real)sum_of_signs(x, g, w, o, y, z);
}
""",
)
HELPERS["xnor_signs"] = (
    ("sum_of_signs",),
    """\
static void xnor_signs(const uint32_t *x, const uint32_t *residual, const window *g,
                       const uint32_t *w, const int32_t *t, const uint32_t *flip, uint32_t *out)
{
    const int32_t words = word_count(g->o);
    for (int32_t y = 0; y < g->oh; y++)
        for (int32_t z = 0; z < g->ow; z++) {
            const int32_t p = (y * g->ow + z) * words;
            for (int32_t k = 0; k < words; k++)
                out[p + k] = 0;
            for (int32_t o = 0; o < g->o; o++) {
                const int32_t row = residual != NULL && bit(residual + p, o) ? g->o : 0;
                const uint32_t above = sum_of_signs(x, g, w, o, y, z) >= t[row + o];
                out[p + o / 32] |= (above ^ bit(flip, o)) << (o % 32);
            }
        }
}
""",
)
HELPERS["convolve"] = (
    ("window",),
    """\
static void convolve(const real *x, const window *g, const real *w, const real *bias, real *out)
{
    const int32_t channels = g->c / g->groups;
    for (int32_t o = 0; o < g->o; o++)
        for (int32_t y = 0; y < g->oh; y++)
            for (int32_t z = 0; z < g->ow; z++) {
                const real *tap = w + o * channels * g->kh * g->kw;
                real sum = bias == NULL ? 0 : bias[o];
                for (int32_t c = 0; c < channels; c++) {
                    const int32_t plane = (o / (g->o / g->groups) * channels + c) * g->h;
                    for (int32_t i = 0; i < g->kh; i++)
                        for (int32_t j = 0; j < g->kw; j++, tap++) {
                            const int32_t a = y * g->sh - g->ph + i * g->dh;
                            const int32_t b = z * g->sw - g->pw + j * g->dw;
                            if (a >= 0 && a < g->h && b >= 0 && b < g->w)
                                sum += *tap * x[(plane + a) * g->w + b];
                        }
                }
                out[(o * g->oh + y) * g->ow + z] = sum;
            }
}
""",
)
HELPERS["affine"] = (
    (),
    """\
static void affine(const real *x, const real *slope, const real *intercept, int32_t channels,
                   int32_t pixels, real *out)
{
    for (int32_t c = 0; c < channels; c++)
        for (int32_t p = 0; p < pixels; p++)
            out[c * pixels + p] = x[c * pixels + p] * slope[c] + intercept[c];
}
""",
)
HELPERS["clip"] = (
    (),
    """\
static void clip(const real *x, real low, real high, int32_t size, real *out)
{
    for (int32_t i = 0; i < size; i++)
        out[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}
""",
)
HELPERS["add"] = (
    (),
    """\
static void add(const real *x, const real *y, int32_t size, real *out)
{
    for (int32_t i = 0; i < size; i++)
        out[i] = x[i] + y[i];
}
""",
)
_POOL = """\
static void {name}(const real *x, const window *g, real *out)
{{
    for (int32_t c = 0; c < g->c; c++)
        for (int32_t y = 0; y < g->oh; y++)
            for (int32_t z = 0; z < g->ow; z++) {{
                real found = 0;
                int32_t count = 0;
                for (int32_t i = 0; i < g->kh; i++)
                    for (int32_t j = 0; j < g->kw; j++) {{
                        const int32_t a = y * g->sh - g->ph + i * g->dh;
                        const int32_t b = z * g->sw - g->pw + j * g->dw;
                        if (a >= 0 && a < g->h && b >= 0 && b < g->w) {{
                            const real v = x[(c * g->h + a) * g->w + b];
                            found = {step};
                            count++;
                        }}
                    }}
                out[(c * g->oh + y) * g->ow + z] = {end};
            }}
}}
"""
HELPERS["max_pool"] = (
    ("window",),
    _POOL.format(name="max_pool", step="count == 0 || v > found ? v : found", end="found"),
)
HELPERS["average_pool"] = (
    ("window",),
    _POOL.format(name="average_pool", step="found + v", end="count ? found / (g->kh * g->kw) : 0"),
)
HELPERS["mean"] = (
    (),
    """\
static void mean(const real *x, int32_t channels, int32_t pixels, real *out)
{
    for (int32_t c = 0; c < channels; c++) {
        real sum = 0;
        for (int32_t p = 0; p < pixels; p++)
            sum += x[c * pixels + p];
        out[c] = sum / pixels;
    }
}
""",
)
