// SPDX-License-Identifier: MIT
/// CUDA source of instance norm + ReLU (+ gate). Contiguous: one block carries one plane through everything.
/// Channels-last: partial sums of chunks of pixels, a table of constants per (sample, channel), and one elementwise
/// pass.
#pragma once

namespace pam::kernels::cuda {

/// `table` holds scale, shift, mean, rstd of every (sample, channel). `logits` null: no gate.
inline constexpr const char* kNormSource = R"PAM(
struct Constants {
  float scale, shift, mean, rstd;
};

__device__ inline Constants constants_of(float mean, float variance, float weight, float bias, float eps) {
  // Squares that overflowed give NaN, not 0, which would make the plane constant: as on the CPU.
  const float rstd = variance > 3.4e38f ? __uint_as_float(0x7fc00000u) : rsqrtf(variance + eps), scale = weight * rstd;
  return {scale, bias - mean * scale, mean, rstd};
}

extern "C" __global__ void norm_plane(const Element* x, const Element* logits, Element* y, const float* weight,
                                      const float* bias, Constants* table, int n, int channels, float eps,
                                      float identity) {
  const long long plane = blockIdx.x;
  const int c = plane % channels, packs = n / PAM_PACK;
  const Pack* in = (const Pack*)(x + plane * n);
  const Pack* gate = logits ? (const Pack*)(logits + plane * n) : 0;
  Pack* out = (Pack*)(y + plane * n);
  float sum[1] = {0}, squares[1] = {0};
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    const Pack p = in[i];
    for (int k = 0; k < PAM_PACK; ++k) sum[0] += widen(p.v[k]);
  }
  block_sums(sum);
  const float mean = sum[0] / n;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    const Pack p = in[i];
    for (int k = 0; k < PAM_PACK; ++k) {
      const float d = widen(p.v[k]) - mean;
      squares[0] += d * d;
    }
  }
  block_sums(squares);
  const Constants t = constants_of(mean, squares[0] / n, weight[c], bias[c], eps);
  if (threadIdx.x == 0) table[plane] = t;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack p = in[i], g;
    if (gate) g = gate[i];
    for (int k = 0; k < PAM_PACK; ++k) {
      float f = relu(widen(p.v[k]) * t.scale + t.shift);
      if (gate) f *= sigmoid(widen(g.v[k])) + identity;
      p.v[k] = narrow(f);
    }
    out[i] = p;
  }
}

// The gradient that reaches the norm's output: dy through the gate and the ReLU. `dlogit` as well.
__device__ inline float through_gate(float v, float dy, const Constants& t, bool gated, float logit, float identity,
                                     float* dlogit) {
  const float f = relu(v * t.scale + t.shift);
  if (gated) {
    const float s = sigmoid(logit);
    *dlogit = dy * f * s * (1.f - s);
    dy *= s + identity;
  }
  return f > 0.f ? dy : 0.f;
}

// sums receives the gradients of weight and bias of each plane.
extern "C" __global__ void norm_plane_backward(const Element* x, const Element* logits, const Element* dy,
                                               const Constants* table, Element* dx, Element* dlogits, float* sums,
                                               int n, float identity) {
  const long long plane = blockIdx.x, at = plane * n;
  const Constants t = table[plane];
  const int packs = n / PAM_PACK;
  const Pack *in = (const Pack*)(x + at), *up = (const Pack*)(dy + at);
  const Pack* gate = logits ? (const Pack*)(logits + at) : 0;
  float s[2] = {0, 0}, unused;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    const Pack p = in[i], u = up[i];
    Pack l;
    if (gate) l = gate[i];
    for (int k = 0; k < PAM_PACK; ++k) {
      const float v = widen(p.v[k]);
      const float g = through_gate(v, widen(u.v[k]), t, gate, gate ? widen(l.v[k]) : 0.f, identity, &unused);
      s[0] += g * ((v - t.mean) * t.rstd);
      s[1] += g;
    }
  }
  block_sums(s);
  if (threadIdx.x == 0) {
    sums[2 * plane] = s[0];
    sums[2 * plane + 1] = s[1];
  }
  const float mean_g = s[1] / n, slope = t.scale * t.rstd * (s[0] / n);
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    const Pack p = in[i], u = up[i];
    Pack l, out;
    if (gate) l = gate[i];
    for (int k = 0; k < PAM_PACK; ++k) {
      const float v = widen(p.v[k]);
      float dlogit = 0;
      const float g = through_gate(v, widen(u.v[k]), t, gate, gate ? widen(l.v[k]) : 0.f, identity, &dlogit);
      out.v[k] = narrow(t.scale * (g - mean_g) - slope * (v - t.mean));
      if (gate) l.v[k] = narrow(dlogit);
    }
    ((Pack*)(dx + at))[i] = out;
    if (gate) ((Pack*)(dlogits + at))[i] = l;
  }
}

// Sums of x - s and (x - s)^2 over a chunk of pixels, s being the sample's first pixel: a value of the data itself, so
// that the variance does not drown in the mean. parts: (sample, chunk, 2, channel).
extern "C" __global__ void norm_pixel_sums(const Element* x, float* parts, int pixels, int channels, int chunk) {
  const int packs = channels / PAM_PACK, first = blockIdx.x * chunk;
  const int last = first + chunk < pixels ? first + chunk : pixels;
  const Lanes l = lanes_of(packs);
  const Pack* in = (const Pack*)x + (long long)blockIdx.y * pixels * packs + l.pack;
  float v[2 * PAM_PACK] = {0};
  if (l.lane < l.lanes) {
    const Pack origin = in[0];
    for (int p = first + l.lane; p < last; p += l.lanes) {
      const Pack e = in[(long long)p * packs];
      for (int k = 0; k < PAM_PACK; ++k) {
        const float d = widen(e.v[k]) - widen(origin.v[k]);
        v[k] += d;
        v[PAM_PACK + k] += d * d;
      }
    }
  }
  lane_sums<2>(v, l, parts + ((long long)blockIdx.y * gridDim.x + blockIdx.x) * 2 * channels, channels);
}

extern "C" __global__ void norm_pixel_table(const Element* x, const float* parts, const float* weight,
                                            const float* bias, Constants* table, int samples, int pixels, int channels,
                                            int chunks, float eps) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= samples * channels) return;
  const int sample = i / channels, c = i % channels;
  double sum = 0, squares = 0;
  for (int k = 0; k < chunks; ++k) {
    const float* part = parts + ((long long)sample * chunks + k) * 2 * channels;
    sum += part[c];
    squares += part[channels + c];
  }
  const double d = sum / pixels, variance = squares / pixels - d * d;
  const float mean = (float)(widen(x[(long long)sample * pixels * channels + c]) + d);
  table[i] = constants_of(mean, variance < 0 ? 0.f : (float)variance, weight[c], bias[c], eps);
}

extern "C" __global__ void norm_pixel_apply(const Element* x, const Element* logits, const Constants* table, Element* y,
                                            int pixels, int channels, float identity) {
  const int packs = channels / PAM_PACK, per_sample = pixels * packs;
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= per_sample) return;
  const long long at = (long long)blockIdx.y * per_sample + i;
  const Constants* t = table + (long long)blockIdx.y * channels + i % packs * PAM_PACK;
  Pack p = ((const Pack*)x)[at], g;
  if (logits) g = ((const Pack*)logits)[at];
  for (int k = 0; k < PAM_PACK; ++k) {
    float f = relu(widen(p.v[k]) * t[k].scale + t[k].shift);
    if (logits) f *= sigmoid(widen(g.v[k])) + identity;
    p.v[k] = narrow(f);
  }
  ((Pack*)y)[at] = p;
}

// parts: (sample, chunk, 2, channel), sums of g * xhat and of g.
extern "C" __global__ void norm_pixel_grad_sums(const Element* x, const Element* logits, const Element* dy,
                                                const Constants* table, float* parts, int pixels, int channels,
                                                int chunk, float identity) {
  const int packs = channels / PAM_PACK, first = blockIdx.x * chunk;
  const int last = first + chunk < pixels ? first + chunk : pixels;
  const Lanes l = lanes_of(packs);
  const Constants* t = table + (long long)blockIdx.y * channels + l.pack * PAM_PACK;
  float v[2 * PAM_PACK] = {0}, unused;
  if (l.lane < l.lanes) {
    for (int p = first + l.lane; p < last; p += l.lanes) {
      const long long at = ((long long)blockIdx.y * pixels + p) * packs + l.pack;
      const Pack e = ((const Pack*)x)[at], u = ((const Pack*)dy)[at];
      Pack q;
      if (logits) q = ((const Pack*)logits)[at];
      for (int k = 0; k < PAM_PACK; ++k) {
        const float value = widen(e.v[k]);
        const float g =
            through_gate(value, widen(u.v[k]), t[k], logits, logits ? widen(q.v[k]) : 0.f, identity, &unused);
        v[k] += g * ((value - t[k].mean) * t[k].rstd);
        v[PAM_PACK + k] += g;
      }
    }
  }
  lane_sums<2>(v, l, parts + ((long long)blockIdx.y * gridDim.x + blockIdx.x) * 2 * channels, channels);
}

extern "C" __global__ void norm_pixel_grad_table(const float* parts, float* sums, int samples, int channels,
                                                 int chunks) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= samples * channels) return;
  const int sample = i / channels, c = i % channels;
  double g_xhat = 0, g = 0;
  for (int k = 0; k < chunks; ++k) {
    const float* part = parts + ((long long)sample * chunks + k) * 2 * channels;
    g_xhat += part[c];
    g += part[channels + c];
  }
  sums[2 * i] = (float)g_xhat;
  sums[2 * i + 1] = (float)g;
}

extern "C" __global__ void norm_pixel_grad_apply(const Element* x, const Element* logits, const Element* dy,
                                                 const Constants* table, const float* sums, Element* dx,
                                                 Element* dlogits, int pixels, int channels, float identity) {
  const int packs = channels / PAM_PACK, per_sample = pixels * packs;
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= per_sample) return;
  const long long at = (long long)blockIdx.y * per_sample + i,
                  row = (long long)blockIdx.y * channels + i % packs * PAM_PACK;
  const Pack p = ((const Pack*)x)[at], u = ((const Pack*)dy)[at];
  Pack l, out;
  if (logits) l = ((const Pack*)logits)[at];
  for (int k = 0; k < PAM_PACK; ++k) {
    const Constants t = table[row + k];
    const float v = widen(p.v[k]);
    float dlogit = 0;
    const float g = through_gate(v, widen(u.v[k]), t, logits, logits ? widen(l.v[k]) : 0.f, identity, &dlogit);
    const float mean_g = sums[2 * (row + k) + 1] / pixels, slope = t.scale * t.rstd * (sums[2 * (row + k)] / pixels);
    out.v[k] = narrow(t.scale * (g - mean_g) - slope * (v - t.mean));
    if (logits) l.v[k] = narrow(dlogit);
  }
  ((Pack*)dx)[at] = out;
  if (logits) ((Pack*)dlogits)[at] = l;
}
)PAM";

}  // namespace pam::kernels::cuda
