// SPDX-License-Identifier: MIT
/// CUDA source of bilinear upsampling (align_corners) with concat, and with RFNA's gate.
/// One thread makes one pack: of channels in channels-last (`last` != 0), else of one element.
#pragma once

namespace pam::kernels::cuda {

inline constexpr const char* kUpsampleSource = R"PAM(
struct Grid {
  int channels, h, w, height, width, last;
};  // channels counted in packs

__device__ inline float axis_scale(int in, int out) { return out > 1 ? (float)(in - 1) / (float)(out - 1) : 0.f; }

// Index of pack c of pixel (y, x) of `sample`, in a tensor of `channels` packs and h x w pixels.
__device__ inline long long index_of(int last, long long sample, int c, int y, int x, int channels, int h, int w) {
  return last ? ((sample * h + y) * w + x) * channels + c : ((sample * channels + c) * h + y) * w + x;
}

struct Place {
  long long sample;
  int c, y, x;
};
__device__ inline Place place_of(long long i, int last, int channels, int h, int w) {
  Place p;
  if (last) {
    p.c = i % channels;
    i /= channels;
  }
  p.x = i % w;
  i /= w;
  p.y = i % h;
  i /= h;
  if (!last) {
    p.c = i % channels;
    i /= channels;
  }
  p.sample = i;
  return p;
}

__device__ inline void upsampled(const Pack* x, const Grid& s, const Place& p, float* out) {
  const float sy = p.y * axis_scale(s.h, s.height), sx = p.x * axis_scale(s.w, s.width);
  const int y0 = (int)sy < s.h - 1 ? (int)sy : s.h - 1, x0 = (int)sx < s.w - 1 ? (int)sx : s.w - 1;
  const int y1 = y0 + 1 < s.h ? y0 + 1 : y0, x1 = x0 + 1 < s.w ? x0 + 1 : x0;
  const float v = sy - y0, u = sx - x0;
  const Pack a = x[index_of(s.last, p.sample, p.c, y0, x0, s.channels, s.h, s.w)];
  const Pack b = x[index_of(s.last, p.sample, p.c, y0, x1, s.channels, s.h, s.w)];
  const Pack c = x[index_of(s.last, p.sample, p.c, y1, x0, s.channels, s.h, s.w)];
  const Pack d = x[index_of(s.last, p.sample, p.c, y1, x1, s.channels, s.h, s.w)];
  for (int k = 0; k < PAM_PACK; ++k) {
    out[k] =
        (1 - v) * ((1 - u) * widen(a.v[k]) + u * widen(b.v[k])) + v * ((1 - u) * widen(c.v[k]) + u * widen(d.v[k]));
  }
}

extern "C" __global__ void upsample_concat(const Element* x, const Element* skip, Element* y, Grid s, int skip_channels,
                                           long long total) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= total) return;
  const Place p = place_of(i, s.last, s.channels + skip_channels, s.height, s.width);
  Pack out;
  if (p.c < s.channels) {
    float f[PAM_PACK];
    upsampled((const Pack*)x, s, p, f);
    for (int k = 0; k < PAM_PACK; ++k) out.v[k] = narrow(f[k]);
  } else {
    out = ((const Pack*)skip)[index_of(s.last, p.sample, p.c - s.channels, p.y, p.x, skip_channels, s.height, s.width)];
  }
  ((Pack*)y)[i] = out;
}

// The outputs that read input i along an axis lie in [first, last]: |output * scale - i| < 1.
__device__ inline void readers_of(int i, float scale, int outputs, int* first, int* last) {
  if (scale == 0.f) {
    *first = 0;
    *last = outputs - 1;
    return;
  }
  const int low = (int)((i - 1) / scale) - 1, high = (int)((i + 1) / scale) + 1;
  *first = low > 0 ? low : 0;
  *last = high < outputs - 1 ? high : outputs - 1;
}
__device__ inline float tent(int output, float scale, int i) {
  const float d = 1.f - fabsf(output * scale - i);
  return d > 0.f ? d : 0.f;
}

// dx from dy, which has `stride` packs of channels and whose first s.channels are read. Float: dy is float32 in packs
// of PAM_PACK (the gate's da).
template <typename G, typename GPack>
__device__ inline void shrink(const GPack* dy, int stride, Element* dx, const Grid& s, long long total,
                              float (*get)(G)) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= total) return;
  const Place p = place_of(i, s.last, s.channels, s.h, s.w);
  const float sy = axis_scale(s.h, s.height), sx = axis_scale(s.w, s.width);
  int y0, y1, x0, x1;
  readers_of(p.y, sy, s.height, &y0, &y1);
  readers_of(p.x, sx, s.width, &x0, &x1);
  float sum[PAM_PACK] = {0};
  for (int y = y0; y <= y1; ++y) {
    const float v = tent(y, sy, p.y);
    if (v == 0.f) continue;
    for (int x = x0; x <= x1; ++x) {
      const float w = v * tent(x, sx, p.x);
      if (w == 0.f) continue;
      const GPack g = dy[index_of(s.last, p.sample, p.c, y, x, stride, s.height, s.width)];
      for (int k = 0; k < PAM_PACK; ++k) sum[k] += w * get(g.v[k]);
    }
  }
  Pack out;
  for (int k = 0; k < PAM_PACK; ++k) out.v[k] = narrow(sum[k]);
  ((Pack*)dx)[i] = out;
}

struct alignas(4 * PAM_PACK < 16 ? 4 * PAM_PACK : 16) FloatPack {
  float v[PAM_PACK];
};
__device__ inline float same(float f) { return f; }

extern "C" __global__ void upsample_backward(const Element* dy, int stride, Element* dx, Grid s, long long total) {
  shrink<Element>((const Pack*)dy, stride, dx, s, total, widen);
}
extern "C" __global__ void upsample_backward_float(const float* dy, int stride, Element* dx, Grid s, long long total) {
  shrink<float>((const FloatPack*)dy, stride, dx, s, total, same);
}

extern "C" __global__ void upsample_gate(const Element* f, const Element* logits, const Element* shortcut, Element* y,
                                         Grid s, float identity, long long total) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= total) return;
  float a[PAM_PACK];
  upsampled((const Pack*)logits, s, place_of(i, s.last, s.channels, s.height, s.width), a);
  Pack p = ((const Pack*)f)[i];
  const Pack q = ((const Pack*)shortcut)[i];
  for (int k = 0; k < PAM_PACK; ++k) p.v[k] = narrow(widen(p.v[k]) * (sigmoid(a[k] + widen(q.v[k])) + identity));
  ((Pack*)y)[i] = p;
}

// dshortcut null: the shortcut is f, and df holds both. da, float32, is what the logits' gradient is gathered from.
extern "C" __global__ void upsample_gate_backward(const Element* f, const Element* logits, const Element* shortcut,
                                                  const Element* dy, Element* df, Element* dshortcut, float* da, Grid s,
                                                  float identity, long long total) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= total) return;
  float a[PAM_PACK];
  upsampled((const Pack*)logits, s, place_of(i, s.last, s.channels, s.height, s.width), a);
  Pack p = ((const Pack*)f)[i];
  const Pack q = ((const Pack*)shortcut)[i], u = ((const Pack*)dy)[i];
  Pack through;
  FloatPack d;
  for (int k = 0; k < PAM_PACK; ++k) {
    const float g = widen(u.v[k]), t = sigmoid(a[k] + widen(q.v[k])), direct = g * (t + identity);
    d.v[k] = g * widen(p.v[k]) * t * (1.f - t);
    through.v[k] = narrow(d.v[k]);
    p.v[k] = narrow(dshortcut ? direct : direct + d.v[k]);
  }
  ((FloatPack*)da)[i] = d;
  ((Pack*)df)[i] = p;
  if (dshortcut) ((Pack*)dshortcut)[i] = through;
}
)PAM";

}  // namespace pam::kernels::cuda
