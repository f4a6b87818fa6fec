// Noise on latent weights: what it makes of a sign and of a loss of signs, and what STE says
// instead.
// Everything is exact: with n weights there are 2^n patterns of signs.

function erf(x) { // Abramowitz and Stegun 7.1.26, error below 2e-7
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const y = 1 -
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) *
      t * Math.exp(-x * x);
  return x < 0 ? -y : y;
}

/** Noise of width s: the chance that w + noise is positive, and the density at a distance of w. */
export const NOISE = {
  uniform: {
    up: (w, s) => Math.min(Math.max((w / s + 1) / 2, 0), 1),
    density: (w, s) => (Math.abs(w) <= s ? 1 / (2 * s) : 0),
  },
  triangular: {
    up: (w, s) => {
      const u = Math.min(Math.max(w / s, -1), 1);
      return u < 0 ? (1 + u) ** 2 / 2 : 1 - (1 - u) ** 2 / 2;
    },
    density: (w, s) => Math.max(1 - Math.abs(w / s), 0) / s,
  },
  gaussian: {
    up: (w, s) => (1 + erf(w / s / Math.SQRT2)) / 2,
    density: (w, s) => Math.exp(-((w / s) ** 2) / 2) / (s * Math.sqrt(2 * Math.PI)),
  },
};

/** Surrogate derivatives of the sign. */
export const SURROGATES = {
  clip: (w) => (Math.abs(w) <= 1 ? 1 : 0),
  polynomial: (w) => Math.max(2 - 2 * Math.abs(w), 0),
  identity: () => 1,
};

/** Losses of y, the sum of the signs times their inputs: value and slope. */
export const LOSSES = {
  straight: { of: (y) => 1 - y, slope: () => -1 },
  curved: { of: (y) => (y - 1) ** 2, slope: (y) => 2 * (y - 1) },
};

export const sign = (w) => (w >= 0 ? 1 : -1);

/** Two gradients at the latent weights w: of the blurred loss, and by STE. how: {inputs, loss,
 * noise, sigma, surrogate}. */
export function gradients(w, { inputs, loss, noise, sigma, surrogate }) {
  const { up, density } = NOISE[noise], { of, slope } = LOSSES[loss];
  const now = w.reduce((y, v, i) => y + inputs[i] * sign(v), 0);
  /** Mean loss with the sign of weight k given, over the patterns of the others. */
  const given = (k, s, i = 0, y = 0) => {
    if (i === w.length) return of(y);
    if (i === k) return given(k, s, i + 1, y + inputs[i] * s);
    const p = up(w[i], sigma);
    return p * given(k, s, i + 1, y + inputs[i]) + (1 - p) * given(k, s, i + 1, y - inputs[i]);
  };
  return {
    exact: w.map((v, k) => (given(k, 1) - given(k, -1)) * density(v, sigma)),
    ste: w.map((v, k) => slope(now) * inputs[k] * SURROGATES[surrogate](v)),
  };
}

/** Degrees between two vectors; null where one of them is zero. */
export function angle(a, b) {
  const dot = a.reduce((sum, x, i) => sum + x * b[i], 0),
    size = Math.hypot(...a) * Math.hypot(...b);
  return size > 1e-9 ? (Math.acos(Math.min(Math.max(dot / size, -1), 1)) * 180) / Math.PI : null;
}
