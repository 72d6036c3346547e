// SPDX-License-Identifier: MIT
/// CUDA source of depth-wise 3x3 convolutions of channels-last tensors, stride 1 or 2, as in RFNA's branch: forward
/// with the norm and the ReLU that follow it, or alone, and both gradients.
#pragma once

namespace pam::kernels::cuda {

/// Weights conv (channels, 9), float32 or of the element type; padding = dilation.
inline constexpr const char* kDepthwiseSource = R"PAM(
struct Conv {
  int h, w, height, width, halved, dilation;
};  // input, output; halved: stride 2

// The block's weights, nine rows of its tile's channels.
__device__ inline void load_weights(const void* conv, int narrow_type, int first, int count, float* taps) {
  for (int i = threadIdx.x; i < 9 * count; i += blockDim.x)
    taps[i] = parameter(conv, (first + i % count) * 9 + i / count, narrow_type);
}

// The convolution at output pixel p. in: the sample's first pixel, for the pack at hand; taps: as above, likewise.
__device__ inline Pack convolved(const Pack* in, const float* taps, int row, unsigned packs, unsigned p,
                                 const Conv& s) {
  const int y = p / s.width, x = p % s.width, top = (y << s.halved) - s.dilation, left = (x << s.halved) - s.dilation;
  float sum[PAM_PACK] = {0};
#pragma unroll
  for (int k = 0; k < 9; ++k) {
    const int iy = top + k / 3 * s.dilation, ix = left + k % 3 * s.dilation;
    if ((unsigned)iy < (unsigned)s.h && (unsigned)ix < (unsigned)s.w) {
      const Pack e = in[(unsigned)(iy * s.w + ix) * packs];
      float v[PAM_PACK], t[PAM_PACK];
      unpack(e, v);
      read_row(taps + k * row, t);
#pragma unroll
      for (int c = 0; c < PAM_PACK; ++c) sum[c] += t[c] * v[c];
    }
  }
  return packed(sum);
}

// relu(norm(conv(x))), a slab a block as in norm_slab. z null, or receives conv(x).
extern "C" __global__ void depthwise_norm(const Element* x, const void* conv, const void* weight, const void* bias,
                                          int narrow_type, Element* z, Element* y, float* table, Conv s, int channels,
                                          int wide, float eps) {
  alignas(16) __shared__ float taps[9 * 8 * PAM_PACK];  // `wide` is at most 8
  const int packs = channels / PAM_PACK, pixels = s.height * s.width;
  const Lanes l = lanes_of(packs, wide);
  const int pack = blockIdx.z * wide + l.pack, row = l.tile * PAM_PACK;
  const Pack* in = (const Pack*)x + (long long)blockIdx.y * s.h * s.w * packs + pack;
  Pack* out = (Pack*)z + (z ? (long long)blockIdx.y * pixels * packs + pack : 0);
  load_weights(conv, narrow_type, blockIdx.z * wide * PAM_PACK, row, taps);
  __syncthreads();
  slab_forward<false, 1>(l, 0, y, weight, bias, narrow_type, table, pixels, channels, wide, eps, 0.f, [&](unsigned p) {
    const Pack e = convolved(in, taps + l.pack * PAM_PACK, row, packs, p, s);
    if (z) out[p * packs] = e;
    return e;
  });
}

// The convolution alone: grid (chunks of `chunk` output pixels, samples, tiles of 32 packs).
extern "C" __global__ void depthwise_forward(const Element* x, const void* conv, int narrow_type, Element* y, Conv s,
                                             int channels, int chunk) {
  alignas(16) __shared__ float taps[9 * 32 * PAM_PACK];
  const int packs = channels / PAM_PACK;
  const Lanes l = lanes_of(packs, 32);
  const unsigned pixels = s.height * s.width, first = blockIdx.x * chunk + l.lane;
  const unsigned last = pixels - blockIdx.x * chunk < chunk ? pixels : (blockIdx.x + 1) * chunk;
  const int pack = blockIdx.z * 32 + l.pack, row = l.tile * PAM_PACK;
  const Pack* in = (const Pack*)x + (long long)blockIdx.y * s.h * s.w * packs + pack;
  Pack* out = (Pack*)y + (long long)blockIdx.y * pixels * packs + pack;
  load_weights(conv, narrow_type, blockIdx.z * 32 * PAM_PACK, row, taps);
  __syncthreads();
  if (l.lane >= l.lanes) return;
  for (unsigned p = first; p < last; p += l.lanes)
    out[p * packs] = convolved(in, taps + l.pack * PAM_PACK, row, packs, p, s);
}

// dx from dy: grid (chunks of `chunk` input pixels, samples, tiles of 32 packs).
extern "C" __global__ void depthwise_input_grad(const Element* dy, const void* conv, int narrow_type, Element* dx,
                                                Conv s, int channels, int chunk) {
  alignas(16) __shared__ float taps[9 * 32 * PAM_PACK];
  const int packs = channels / PAM_PACK;
  const Lanes l = lanes_of(packs, 32);
  const unsigned pixels = s.h * s.w, first = blockIdx.x * chunk + l.lane;
  const unsigned last = pixels - blockIdx.x * chunk < chunk ? pixels : (blockIdx.x + 1) * chunk;
  const int pack = blockIdx.z * 32 + l.pack, row = l.tile * PAM_PACK;
  const Pack* up = (const Pack*)dy + (long long)blockIdx.y * s.height * s.width * packs + pack;
  Pack* out = (Pack*)dx + (long long)blockIdx.y * pixels * packs + pack;
  load_weights(conv, narrow_type, blockIdx.z * 32 * PAM_PACK, row, taps);
  __syncthreads();
  if (l.lane >= l.lanes) return;
  for (unsigned p = first; p < last; p += l.lanes) {
    const int y = p / s.w, x = p % s.w;
    float sum[PAM_PACK] = {0};
#pragma unroll
    for (int k = 0; k < 9; ++k) {
      // Output (oy, ox) read this pixel with weight k if its stride leads there.
      const int ty = y + (1 - k / 3) * s.dilation, tx = x + (1 - k % 3) * s.dilation;
      const int oy = ty >> s.halved, ox = tx >> s.halved;
      if (oy << s.halved == ty && ox << s.halved == tx && (unsigned)oy < (unsigned)s.height &&
          (unsigned)ox < (unsigned)s.width) {
        const Pack e = up[(unsigned)(oy * s.width + ox) * packs];
        float v[PAM_PACK], t[PAM_PACK];
        unpack(e, v);
        read_row(taps + k * row + l.pack * PAM_PACK, t);
#pragma unroll
        for (int c = 0; c < PAM_PACK; ++c) sum[c] += t[c] * v[c];
      }
    }
    out[p * packs] = packed(sum);
  }
}

// parts (samples, chunks, channels, 9): the weights' gradients of a chunk of output pixels. A third of the lanes takes
// the upper row of weights, a third the middle, a third the lower one. Shared memory: blockDim.x * (3 * PAM_PACK + 1)
// floats.
extern "C" __global__ void depthwise_weight_grad(const Element* x, const Element* dy, float* parts, Conv s,
                                                 int channels, int chunk) {
  PAM_DYNAMIC_SHARED(float, all);
  const int packs = channels / PAM_PACK;
  const Lanes l = lanes_of(packs, 8);
  const unsigned pixels = s.height * s.width, begin = blockIdx.x * chunk;
  const unsigned last = pixels - begin < chunk ? pixels : begin + chunk;
  const int pack = blockIdx.z * 8 + l.pack, rows = l.lanes / 3, ky = l.lane / rows, lane = l.lane % rows;
  const Pack* in = (const Pack*)x + (long long)blockIdx.y * s.h * s.w * packs + pack;
  const Pack* up = (const Pack*)dy + (long long)blockIdx.y * pixels * packs + pack;
  float sum[3 * PAM_PACK] = {0};
  for (unsigned p = ky < 3 ? begin + lane : last; p < last; p += rows) {
    const int y = p / s.width, ix = ((int)(p % s.width) << s.halved) - s.dilation;
    const int iy = (y << s.halved) + (ky - 1) * s.dilation;
    if ((unsigned)iy >= (unsigned)s.h) continue;
    float g[PAM_PACK];
    const Pack u = up[p * packs];
    unpack(u, g);
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const int at = ix + k * s.dilation;
      if ((unsigned)at < (unsigned)s.w) {
        const Pack e = in[(unsigned)(iy * s.w + at) * packs];
        float v[PAM_PACK];
        unpack(e, v);
#pragma unroll
        for (int c = 0; c < PAM_PACK; ++c) sum[k * PAM_PACK + c] += g[c] * v[c];
      }
    }
  }
  float* out = parts + ((long long)blockIdx.y * gridDim.x + blockIdx.x) * 9 * channels;
#pragma unroll
  for (int k = 0; k < 3 * PAM_PACK; ++k) all[threadIdx.x * (3 * PAM_PACK + 1) + k] = sum[k];
  __syncthreads();
  for (int i = threadIdx.x; i < l.tile * 9 * PAM_PACK; i += blockDim.x) {
    const int c = i / 9, row = i % 9 / 3, number = i % 3 * PAM_PACK + c % PAM_PACK;
    float total = 0;
    for (int j = 0; j < rows; ++j)
      total += all[((row * rows + j) * l.tile + c / PAM_PACK) * (3 * PAM_PACK + 1) + number];
    out[(blockIdx.z * 8 * PAM_PACK + c) * 9 + i % 9] = total;
  }
}
)PAM";

}  // namespace pam::kernels::cuda
