// SPDX-License-Identifier: MIT
/// CUDA source of FPA's depth-wise branch: one block carries one plane through conv, norm, ReLU, conv, norm, ReLU in
/// shared memory (docs/design.md, "Kernels": plane fusion); and a depth-wise convolution for planes that do not fit.
#pragma once

namespace pam::kernels::cuda {

/// Weights: conv (C, 9), norm (C, 2) holding weight and bias. Contiguous planes only; PAM_PACK is not used.
inline constexpr const char* kBranchSource = R"PAM(
struct Walk {
  int y, x, rows, columns, width;
};  // pixel i, i + blockDim.x, ... without a division at each
__device__ inline Walk walk_of(int width) {
  return {(int)threadIdx.x / width, (int)threadIdx.x % width, (int)blockDim.x / width, (int)blockDim.x % width, width};
}
__device__ inline void step(Walk& w) {
  w.y += w.rows;
  w.x += w.columns;
  if (w.x >= w.width) {
    w.x -= w.width;
    ++w.y;
  }
}

struct Same {
  __device__ float operator()(Element e) const { return widen(e); }
};
struct Activated {  // the hidden plane is kept before its norm and ReLU
  float scale, shift;
  __device__ float operator()(Element e) const { return relu(widen(e) * scale + shift); }
};

template <typename Read>
__device__ inline float tap(const Element* plane, int y, int x, int h, int w, const Read& read) {
  return y >= 0 && y < h && x >= 0 && x < w ? read(plane[y * w + x]) : 0.f;
}

// The 3x3 convolution at (y, x); turned: with the kernel turned around, which is its gradient.
template <bool Turned, typename Read>
__device__ inline float convolved(const Element* plane, const float* t, int y, int x, int h, int w, int d,
                                  const Read& read) {
  float sum = 0;
  for (int k = 0; k < 9; ++k) {
    sum += t[Turned ? 8 - k : k] * tap(plane, y + (k / 3 - 1) * d, x + (k % 3 - 1) * d, h, w, read);
  }
  return sum;
}

__device__ inline void load_taps(const float* weights, float* t) {
  for (int k = 0; k < 9; ++k) t[k] = weights[k];
}

// out = conv(in) in shared memory; returns the norm's constants.
template <typename Read>
__device__ inline Constants conv_and_moments(const Element* in, Element* out, const float* weights, const float* norm,
                                             int h, int w, int d, float eps, const Read& read) {
  float t[9], sum[1] = {0}, squares[1] = {0};
  load_taps(weights, t);
  const int n = h * w;
  Walk at = walk_of(w);
  for (int i = threadIdx.x; i < n; i += blockDim.x, step(at)) {
    const Element e = narrow(convolved<false>(in, t, at.y, at.x, h, w, d, read));
    out[i] = e;
    sum[0] += widen(e);
  }
  block_sums(sum);
  const float mean = sum[0] / n;
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    const float v = widen(out[i]) - mean;
    squares[0] += v * v;
  }
  block_sums(squares);
  return constants_of(mean, squares[0] / n, norm[0], norm[1], eps);
}

// Shared memory: two planes. table: the constants of both norms of every plane.
extern "C" __global__ void branch_plane(const Element* x, Element* y, const float* conv1, const float* norm1,
                                        const float* conv2, const float* norm2, Constants* table, int channels, int h,
                                        int w, int d, float eps) {
  PAM_DYNAMIC_SHARED(Element, a);
  const int n = h * w, c = blockIdx.x % channels;
  const long long at = (long long)blockIdx.x * n;
  Element* b = a + n;
  for (int i = threadIdx.x; i < n; i += blockDim.x) a[i] = x[at + i];
  __syncthreads();
  const Constants first = conv_and_moments(a, b, conv1 + 9 * c, norm1 + 2 * c, h, w, d, eps, Same());
  const Constants second =
      conv_and_moments(b, a, conv2 + 9 * c, norm2 + 2 * c, h, w, d, eps, Activated{first.scale, first.shift});
  if (threadIdx.x == 0) {
    table[2 * (long long)blockIdx.x] = first;
    table[2 * (long long)blockIdx.x + 1] = second;
  }
  for (int i = threadIdx.x; i < n; i += blockDim.x) y[at + i] = narrow(relu(widen(a[i]) * second.scale + second.shift));
}

// The nine sums of dout * in, by all threads; sums receives them.
template <typename Read>
__device__ inline void tap_sums(const Element* dout, const Element* in, int h, int w, int d, const Read& read,
                                float* sums) {
  float s[9] = {0};
  Walk at = walk_of(w);
  for (int i = threadIdx.x; i < h * w; i += blockDim.x, step(at)) {
    const float g = widen(dout[i]);
    for (int k = 0; k < 9; ++k) s[k] += g * tap(in, at.y + (k / 3 - 1) * d, at.x + (k % 3 - 1) * d, h, w, read);
  }
  block_sums(s);
  if (threadIdx.x == 0)
    for (int k = 0; k < 9; ++k) sums[k] = s[k];
}

__device__ inline float masked(float g, float v, const Constants& t) { return v * t.scale + t.shift > 0.f ? g : 0.f; }
__device__ inline float norm_slope(float g, float v, const Constants& t, const float* s, int n) {
  return t.scale * (g - s[1] / n) - t.scale * t.rstd * (s[0] / n) * (v - t.mean);
}

// Shared memory: three planes. sums: 22 numbers per plane (taps, norm weight, norm bias of the first step, then the
// second).
extern "C" __global__ void branch_plane_backward(const Element* x, const Element* dy, Element* dx, const float* conv1,
                                                 const float* conv2, const Constants* table, float* sums, int channels,
                                                 int h, int w, int d) {
  PAM_DYNAMIC_SHARED(Element, input);
  const int n = h * w, c = blockIdx.x % channels;
  const long long at = (long long)blockIdx.x * n;
  Element *hidden = input + n, *slope = hidden + n;
  const Constants first = table[2 * (long long)blockIdx.x], second = table[2 * (long long)blockIdx.x + 1];
  const Activated active{first.scale, first.shift};
  float* out = sums + 22 * (long long)blockIdx.x;
  float t1[9], t2[9], s[2] = {0, 0};
  load_taps(conv1 + 9 * c, t1);
  load_taps(conv2 + 9 * c, t2);
  for (int i = threadIdx.x; i < n; i += blockDim.x) input[i] = x[at + i];
  __syncthreads();
  Walk p = walk_of(w);
  for (int i = threadIdx.x; i < n; i += blockDim.x, step(p))
    hidden[i] = narrow(convolved<false>(input, t1, p.y, p.x, h, w, d, Same()));
  __syncthreads();
  p = walk_of(w);
  for (int i = threadIdx.x; i < n; i += blockDim.x, step(p)) {
    const Element e = narrow(convolved<false>(hidden, t2, p.y, p.x, h, w, d, active));
    const float v = widen(e), g = masked(widen(dy[at + i]), v, second);
    slope[i] = e;  // the second convolution's output, until the sums are known
    s[0] += g * ((v - second.mean) * second.rstd);
    s[1] += g;
  }
  block_sums(s);
  if (threadIdx.x == 0) {
    out[20] = s[0];
    out[21] = s[1];
  }
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    const float v = widen(slope[i]);
    slope[i] = narrow(norm_slope(masked(widen(dy[at + i]), v, second), v, second, s, n));
  }
  __syncthreads();
  tap_sums(slope, hidden, h, w, d, active, out + 11);
  s[0] = s[1] = 0;
  p = walk_of(w);
  for (int i = threadIdx.x; i < n; i += blockDim.x, step(p)) {
    const float v = widen(hidden[i]), g = masked(convolved<true>(slope, t2, p.y, p.x, h, w, d, Same()), v, first);
    s[0] += g * ((v - first.mean) * first.rstd);
    s[1] += g;
  }
  block_sums(s);
  if (threadIdx.x == 0) {
    out[9] = s[0];
    out[10] = s[1];
  }
  p = walk_of(w);
  for (int i = threadIdx.x; i < n; i += blockDim.x, step(p)) {  // computed twice: cheaper than a fourth plane
    const float v = widen(hidden[i]), g = masked(convolved<true>(slope, t2, p.y, p.x, h, w, d, Same()), v, first);
    hidden[i] = narrow(norm_slope(g, v, first, s, n));  // each thread reads and writes only its own pixel of hidden
  }
  __syncthreads();
  tap_sums(hidden, input, h, w, d, Same(), out);
  p = walk_of(w);
  for (int i = threadIdx.x; i < n; i += blockDim.x, step(p))
    dx[at + i] = narrow(convolved<true>(hidden, t1, p.y, p.x, h, w, d, Same()));
}

// Planes of any size: y = conv(x), or with turned != 0 its gradient. One thread per pixel.
extern "C" __global__ void depthwise(const Element* x, const float* weights, Element* y, int channels, int h, int w,
                                     int d, int turned, long long total) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= total) return;
  const int n = h * w, pixel = i % n;
  const long long plane = i / n;
  float t[9];
  load_taps(weights + 9 * (plane % channels), t);
  const Element* in = x + plane * n;
  y[i] = narrow(turned ? convolved<true>(in, t, pixel / w, pixel % w, h, w, d, Same())
                       : convolved<false>(in, t, pixel / w, pixel % w, h, w, d, Same()));
}

// Nine sums per plane.
extern "C" __global__ void depthwise_tap_sums(const Element* dy, const Element* x, float* sums, int h, int w, int d) {
  const long long at = (long long)blockIdx.x * h * w;
  tap_sums(dy + at, x + at, h, w, d, Same(), sums + 9 * (long long)blockIdx.x);
}
)PAM";

}  // namespace pam::kernels::cuda
