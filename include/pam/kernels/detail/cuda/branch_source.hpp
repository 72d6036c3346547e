// SPDX-License-Identifier: MIT
/// CUDA source of FPA's depth-wise branch: a group of threads carries one or two planes of a sample through conv, norm,
/// ReLU, conv, norm, ReLU in shared memory (docs/design.md, "Kernels": plane fusion); and a depth-wise convolution for
/// planes that do not fit.
#pragma once

namespace pam::kernels::cuda {

/// Contiguous planes only. A "word" of shared memory holds a pixel of one plane, or of two planes: one instruction then
/// loads both.
inline constexpr const char* kBranchSource = R"PAM(
// C planes a word.
template <int C>
struct Words;
template <>
struct Words<1> {
  typedef Element Word;
  __device__ static void get(Word w, float (&f)[1]) { f[0] = widen(w); }
  __device__ static Word make(const float (&f)[1]) { return narrow(f[0]); }
  __device__ static Word zero() { return narrow(0.f); }
  __device__ static Word join_pixels(Element a, Element) { return a; }
  __device__ static Element part(Word w, int) { return w; }
};
#if PAM_ELEMENT == 0
struct Two {
  float a, b;
};
template <>
struct Words<2> {
  typedef Two Word;
  __device__ static void get(Word w, float (&f)[2]) {
    f[0] = w.a;
    f[1] = w.b;
  }
  __device__ static Word make(const float (&f)[2]) { return {f[0], f[1]}; }
  __device__ static Word zero() { return {0.f, 0.f}; }
  __device__ static Word join_pixels(Element a, Element b) { return {a, b}; }
  __device__ static Element part(Word w, int c) { return c ? w.b : w.a; }
};
#else
template <>
struct Words<2> {
  typedef unsigned Word;
  __device__ static void get(Word w, float (&f)[2]) {
    f[0] = low(w);
    f[1] = high(w);
  }
  __device__ static Word make(const float (&f)[2]) { return join(f[0], f[1]); }
  __device__ static Word zero() { return 0; }
  __device__ static Word join_pixels(Element a, Element b) { return a.bits | (unsigned)b.bits << 16; }
  __device__ static Element part(Word w, int c) { return {(Bits16)(c ? w >> 16 : w)}; }
};
#endif

struct alignas(sizeof(Element) * PAM_PACK) Pixels {
  Element v[PAM_PACK];
};
// Words that a thread moves at once; PAM_PACK divides the plane, so this does.
template <typename Word>
struct Run {
  static constexpr int size = PAM_PACK == 1 || sizeof(Word) > 8 ? 1 : 16 / sizeof(Word);
  struct alignas(size * sizeof(Word)) Type {
    Word v[size];
  };
};

// A group of `threads` threads, whole warps, works on C planes, [channel, channel + C), of one sample; `planes` is 1
// where the second does not exist, and then repeats the first.
struct Group {
  int thread, threads, index, planes, channel;
  long long first;  // the first plane's number
  bool active;      // false: repeats the work of the last group, and writes nothing
};
__device__ inline Group group_of(int threads, int c, int channels, long long samples) {
  const int tuples = (channels + c - 1) / c;
  const long long units = samples * tuples;
  Group g;
  g.threads = threads;
  g.index = threadIdx.x / threads;
  g.thread = threadIdx.x % threads;
  long long unit = (long long)blockIdx.x * (blockDim.x / threads) + g.index;
  g.active = unit < units;
  if (!g.active) unit = units - 1;
  g.channel = (int)(unit % tuples) * c;
  g.planes = channels - g.channel < c ? channels - g.channel : c;
  g.first = unit / tuples * channels + g.channel;
  return g;
}

// Sums each of N numbers over the warps of a block, at most 16: the sums of warp i begin at i * N of the result.
template <int N>
__device__ inline const float* warp_sums(float (&v)[N]) {
  __shared__ float part[16 * N];
  __syncthreads();  // what the previous call left has been read
#pragma unroll
  for (int k = 0; k < N; ++k) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) v[k] += __shfl_xor_sync(0xffffffffu, v[k], step);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32 * N + k] = v[k];
  }
  __syncthreads();
  return part;
}
// Sums over the group, in a fixed order; every thread of it receives them.
template <int N>
__device__ inline void group_sums(float (&v)[N], const Group& g) {
  const float* part = warp_sums(v) + g.index * (g.threads / 32) * N;
#pragma unroll
  for (int k = 0; k < N; ++k) v[k] = 0;
#pragma unroll 1
  for (int warp = 0; warp < g.threads / 32; ++warp) {
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] += part[warp * N + k];
  }
}
// The same for sums that nobody but the host reads: emit(k, sum), each by one thread of the group.
template <int N, typename Emit>
__device__ inline void group_totals(float (&v)[N], const Group& g, const Emit& emit) {
  const float* part = warp_sums(v) + g.index * (g.threads / 32) * N;
  for (int k = g.thread; k < N; k += g.threads) {
    float sum = 0;
    for (int warp = 0; warp < g.threads / 32; ++warp) sum += part[warp * N + k];
    emit(k, sum);
  }
}

// Planes from and to device memory.
template <int C, int U, typename Use>
__device__ inline void read_planes(const Element* x, const Group& g, int n, const Use& use) {
  typedef typename Words<C>::Word Word;
  const Pixels *a = (const Pixels*)(x + g.first * n), *b = g.planes == C ? a + (C - 1) * (n / PAM_PACK) : a;
  struct Both {
    Pixels a, b;
  };
  stream<U>(
      g.thread, n / PAM_PACK, g.threads,
      [&](unsigned i) {
        Both p{a[i]};
        if constexpr (C > 1) p.b = b[i];
        return p;
      },
      [&](const Both& p, unsigned i) {
        Word words[PAM_PACK];
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) words[k] = Words<C>::join_pixels(p.a.v[k], p.b.v[k]);
        use(i * PAM_PACK, words);
      });
}
template <typename Word>
__device__ inline void put(Word* to, const Word (&words)[PAM_PACK]) {
  typedef typename Run<Word>::Type Type;
#pragma unroll
  for (int k = 0; k < PAM_PACK; k += Run<Word>::size) {
    Type run;
#pragma unroll
    for (int j = 0; j < Run<Word>::size; ++j) run.v[j] = words[k + j];
    *(Type*)(to + k) = run;
  }
}
template <typename Word>
__device__ inline void take(const Word* from, Word (&words)[PAM_PACK]) {
  typedef typename Run<Word>::Type Type;
#pragma unroll
  for (int k = 0; k < PAM_PACK; k += Run<Word>::size) {
    const Type run = *(const Type*)(from + k);
#pragma unroll
    for (int j = 0; j < Run<Word>::size; ++j) words[k + j] = run.v[j];
  }
}
template <int C, typename Word>
__device__ inline void load_planes(const Element* x, const Group& g, int n, Word* to) {
  read_planes<C, 2>(x, g, n, [&](int i, const Word(&words)[PAM_PACK]) { put(to + i, words); });
}
// each(f): applied to the C numbers of every pixel on its way out.
template <int C, typename Word, typename Each>
__device__ inline void store_planes(const Word* from, Element* y, const Group& g, int n, const Each& each) {
  if (!g.active) return;
  Pixels *a = (Pixels*)(y + g.first * n), *b = a + (C - 1) * (n / PAM_PACK);
  for (int i = g.thread; i < n / PAM_PACK; i += g.threads) {
    Word words[PAM_PACK];
    take(from + i * PAM_PACK, words);
    Pixels out[C];
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) {
      float f[C];
      Words<C>::get(words[k], f);
      each(f);
      const Word w = Words<C>::make(f);
#pragma unroll
      for (int c = 0; c < C; ++c) out[c].v[k] = Words<C>::part(w, c);
    }
    a[i] = out[0];
    if (C > 1 && g.planes == C) b[i] = out[C - 1];
  }
}

// The weights of one step: conv (channels, 9), norm's weight and bias (channels), each float32 or of the element type.
struct Step {
  const void *conv, *weight, *bias;
};

// Nine weights of each plane of every group, in shared memory: at most 8 groups.
template <int C>
__device__ inline void load_taps(const void* conv, int narrow_type, const Group& g, float* taps) {
  for (int i = g.thread; i < 9 * C; i += g.threads) {
    const int c = i / 9 < g.planes ? i / 9 : 0;
    taps[i] = parameter(conv, (g.channel + c) * 9 + i % 9, narrow_type);
  }
}

// A strip is a column of pixels `d` rows apart: the convolution walks down it with three words a row, each of which
// feeds three running outputs, so that the border above and below needs no test. Beyond the borders to the left and
// right the weights are 0. Turned: the kernel turned by half a circle, which gives the gradient. `taps`: C * 9.
template <int C, bool Turned, typename Emit>
__device__ inline void convolve(const typename Words<C>::Word* in, const float* taps, int h, int w, int d, int thread,
                                int threads, const Emit& emit) {
  typedef typename Words<C>::Word Word;
  const int strips = w * (d < h ? d : h), step = d * w, n = h * w;
  for (int strip = thread; strip < strips; strip += threads) {
    const int x = strip % w, left = x >= d ? -d : 0, right = x + d < w ? d : 0;
    float t[C][9];
#pragma unroll
    for (int c = 0; c < C; ++c) {
#pragma unroll
      for (int k = 0; k < 9; ++k) {
        const bool inside = k % 3 == 0 ? x >= d : k % 3 == 2 ? x + d < w : true;
        t[c][k] = inside ? taps[c * 9 + (Turned ? 8 - k : k)] : 0.f;
      }
    }
    float open[C], next[C];  // outputs: of the row at hand, of the one below
#pragma unroll
    for (int c = 0; c < C; ++c) open[c] = next[c] = 0;
    const Word* p = in + strip;
    int at = strip;
    const auto row = [&](float (&sum)[C], int k, const float (&a)[C], const float (&b)[C], const float (&e)[C]) {
#pragma unroll
      for (int c = 0; c < C; ++c) sum[c] += t[c][k] * a[c] + t[c][k + 1] * b[c] + t[c][k + 2] * e[c];
    };
    float a[C], b[C], e[C];
    Words<C>::get(p[left], a);
    Words<C>::get(p[0], b);
    Words<C>::get(p[right], e);
    row(open, 3, a, b, e);
    row(next, 0, a, b, e);
#pragma unroll 1
    for (int below = at + step; below < n; below += step) {
      p += step;
      Words<C>::get(p[left], a);
      Words<C>::get(p[0], b);
      Words<C>::get(p[right], e);
      row(open, 6, a, b, e);
      emit(at, open);
      at = below;
#pragma unroll
      for (int c = 0; c < C; ++c) {
        open[c] = next[c];
        next[c] = 0;
      }
      row(open, 3, a, b, e);
      row(next, 0, a, b, e);
    }
    emit(at, open);
  }
}

// Adds to s[c * 9 + k] the products of dout and the input k's distance away: the gradients of the weights.
template <int C>
__device__ inline void tap_sums(const typename Words<C>::Word* dout, const typename Words<C>::Word* in, int h, int w,
                                int d, int thread, int threads, float (&s)[9 * C]) {
  typedef typename Words<C>::Word Word;
  const int strips = w * (d < h ? d : h), step = d * w, n = h * w;
  for (int strip = thread; strip < strips; strip += threads) {
    const int x = strip % w;
    const bool left = x >= d, right = x + d < w;
    float above[C] = {}, here[C], under[C];
    Words<C>::get(dout[strip], here);
    const Word* p = in + strip;
    const auto row = [&] {
      float v[3][C];
      Words<C>::get(left ? p[-d] : Words<C>::zero(), v[0]);
      Words<C>::get(p[0], v[1]);
      Words<C>::get(right ? p[d] : Words<C>::zero(), v[2]);
#pragma unroll
      for (int k = 0; k < 3; ++k) {
#pragma unroll
        for (int c = 0; c < C; ++c) {
          s[c * 9 + k] += under[c] * v[k][c];
          s[c * 9 + 3 + k] += here[c] * v[k][c];
          s[c * 9 + 6 + k] += above[c] * v[k][c];
        }
      }
    };
#pragma unroll 2
    for (int below = strip + step; below < n; below += step) {
      Words<C>::get(dout[below], under);
      row();
      p += step;
#pragma unroll
      for (int c = 0; c < C; ++c) {
        above[c] = here[c];
        here[c] = under[c];
      }
    }
#pragma unroll
    for (int c = 0; c < C; ++c) under[c] = 0;
    row();
  }
}

// Calls use(words, i) for every run of PAM_PACK words of a plane.
template <typename Word, typename Use>
__device__ inline void runs(const Group& g, int n, const Use& use) {
  for (int i = g.thread * PAM_PACK; i < n; i += g.threads * PAM_PACK) use(i);
}

// relu(norm(in)), in shared memory.
template <int C, typename Word>
__device__ inline void activate(const Word* in, Word* out, const Group& g, int n, const Constants (&t)[C]) {
  runs<Word>(g, n, [&](int i) {
    Word words[PAM_PACK];
    take(in + i, words);
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) {
      float f[C];
      Words<C>::get(words[k], f);
#pragma unroll
      for (int c = 0; c < C; ++c) f[c] = relu(f[c] * t[c].scale + t[c].shift);
      words[k] = Words<C>::make(f);
    }
    put(out + i, words);
  });
}

// out = conv(in); t: the constants of its norm.
template <int C, typename Word>
__device__ inline void conv_and_moments(const Word* in, Word* out, const float* taps, const Step& step, int narrow_type,
                                        const Group& g, int h, int w, int d, float eps, Constants (&t)[C]) {
  const int n = h * w;
  float sum[C] = {}, squares[C] = {};
  convolve<C, false>(in, taps, h, w, d, g.thread, g.threads, [&](int i, const float(&f)[C]) {
    const Word word = Words<C>::make(f);
    out[i] = word;
    float rounded[C];
    Words<C>::get(word, rounded);
#pragma unroll
    for (int c = 0; c < C; ++c) sum[c] += rounded[c];
  });
  group_sums(sum, g);
  runs<Word>(g, n, [&](int i) {
    Word words[PAM_PACK];
    take(out + i, words);
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) {
      float f[C];
      Words<C>::get(words[k], f);
#pragma unroll
      for (int c = 0; c < C; ++c) {
        const float v = f[c] - sum[c] / n;
        squares[c] += v * v;
      }
    }
  });
  group_sums(squares, g);
#pragma unroll
  for (int c = 0; c < C; ++c) {
    const int channel = g.channel + (c < g.planes ? c : 0);
    t[c] = constants_of(sum[c] / n, squares[c] / n, parameter(step.weight, channel, narrow_type),
                        parameter(step.bias, channel, narrow_type), eps);
  }
}

// Shared memory: two planes of words a group.
template <int C>
__device__ inline void branch_forward(const Element* x, Element* y, const Step& one, const Step& two, int narrow_type,
                                      Constants* table, int samples, int channels, int h, int w, int d, float eps,
                                      int threads) {
  typedef typename Words<C>::Word Word;
  PAM_DYNAMIC_SHARED(Word, shared);
  __shared__ float all_taps[2][8][9 * C];
  const int n = h * w;
  const Group g = group_of(threads, C, channels, samples);
  Word *a = shared + 2 * n * g.index, *b = a + n;
  float *taps1 = all_taps[0][g.index], *taps2 = all_taps[1][g.index];
  load_taps<C>(one.conv, narrow_type, g, taps1);
  load_taps<C>(two.conv, narrow_type, g, taps2);
  load_planes<C>(x, g, n, a);
  __syncthreads();
  Constants first[C], second[C];
  conv_and_moments<C>(a, b, taps1, one, narrow_type, g, h, w, d, eps, first);
  activate<C>(b, b, g, n, first);
  __syncthreads();
  conv_and_moments<C>(b, a, taps2, two, narrow_type, g, h, w, d, eps, second);
  if (g.active && g.thread == 0) {
#pragma unroll
    for (int c = 0; c < C; ++c) {
      if (c >= g.planes) break;
      table[2 * (g.first + c)] = first[c];
      table[2 * (g.first + c) + 1] = second[c];
    }
  }
  store_planes<C>(a, y, g, n, [&](float(&f)[C]) {
#pragma unroll
    for (int c = 0; c < C; ++c) f[c] = relu(f[c] * second[c].scale + second[c].shift);
  });
}

// table (plane, 2): the constants of both norms. `threads`: of a group; the block has several. branch_pair: two planes
// a word.
extern "C" __global__ void branch_plane(const Element* x, Element* y, Step one, Step two, int narrow_type,
                                        Constants* table, int samples, int channels, int h, int w, int d, float eps,
                                        int threads) {
  branch_forward<1>(x, y, one, two, narrow_type, table, samples, channels, h, w, d, eps, threads);
}
extern "C" __global__ void __launch_bounds__(384, 2)
    branch_pair(const Element* x, Element* y, Step one, Step two, int narrow_type, Constants* table, int samples,
                int channels, int h, int w, int d, float eps, int threads) {
  branch_forward<2>(x, y, one, two, narrow_type, table, samples, channels, h, w, d, eps, threads);
}

// The constants of a group's planes in step 0 or 1: read where they are used, as there are no registers to hold them.
template <int C>
struct StepConstants {
  Constants t[C];
  __device__ StepConstants(const Constants* table, const Group& g, int step) {
#pragma unroll
    for (int c = 0; c < C; ++c) t[c] = table[2 * (g.first + (c < g.planes ? c : 0)) + step];
  }
};

// sums (sample, 22 * channels): the gradients of the first step's weights (channels, 9), norm weight and bias (channels
// each), then of the second's.
template <int C>
__device__ inline void store_taps(float* sums, const Group& g, int channels, int step, float (&s)[9 * C]) {
  float* out = sums + (g.first - g.channel) * 22 + 11ll * step * channels + 9 * g.channel;
  group_totals(s, g, [&](int k, float sum) {
    if (g.active && k < 9 * g.planes) out[k] = sum;
  });
}
template <int C>
__device__ inline void store_affine(float* sums, const Group& g, int channels, int step, const float (&s)[2 * C],
                                    const Constants (&t)[C]) {
  if (!g.active || g.thread != 0) return;
  float* out = sums + (g.first - g.channel) * 22 + (11ll * step + 9) * channels + g.channel;
#pragma unroll
  for (int c = 0; c < C; ++c) {
    if (c >= g.planes) break;
    out[c] = s[2 * c] * t[c].rstd;
    out[channels + c] = s[2 * c + 1];
  }
}

// The gradient of a norm's input, from its output's, `g`, whose sums are s.
template <int C>
struct NormSlope {
  float scale[C], slope[C], offset[C];
  __device__ NormSlope(const Constants (&t)[C], const float (&s)[2 * C], int n) {
#pragma unroll
    for (int c = 0; c < C; ++c) {
      scale[c] = t[c].scale;
      slope[c] = gradient_slope(t[c], s[2 * c], 1.f / n);
      offset[c] = gradient_offset(t[c], slope[c], s[2 * c + 1], 1.f / n);
    }
  }
  __device__ typename Words<C>::Word operator()(typename Words<C>::Word g, typename Words<C>::Word v) const {
    float a[C], b[C];
    Words<C>::get(g, a);
    Words<C>::get(v, b);
#pragma unroll
    for (int c = 0; c < C; ++c) a[c] = scale[c] * a[c] + (slope[c] * b[c] + offset[c]);
    return Words<C>::make(a);
  }
};
// values = slope(g, values), in shared memory.
template <int C, typename Word>
__device__ inline void apply_slope(const Word* from, Word* values, const Group& g, int n, const NormSlope<C>& slope) {
  runs<Word>(g, n, [&](int i) {
    Word up[PAM_PACK], own[PAM_PACK];
    take(from + i, up);
    take(values + i, own);
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) own[k] = slope(up[k], own[k]);
    put(values + i, own);
  });
}
// g where the ReLU let v pass, else 0; adds it to the norm's sums.
template <int C>
__device__ inline void mask_and_sum(float (&g)[C], typename Words<C>::Word value, const Constants (&t)[C],
                                    float (&s)[2 * C]) {
  float v[C];
  Words<C>::get(value, v);
#pragma unroll
  for (int c = 0; c < C; ++c) {
    g[c] = v[c] * t[c].scale + t[c].shift > 0.f ? g[c] : 0.f;
    s[2 * c] += g[c] * (v[c] - t[c].mean);
    s[2 * c + 1] += g[c];
  }
}

// Shared memory: `kept` (3 or 4) planes of words a group; with 3, x is loaded again for the last step.
template <int C>
__device__ inline void branch_backward(const Element* x, const Element* dy, Element* dx, const Step& one,
                                       const Step& two, int narrow_type, const Constants* table, float* sums,
                                       int samples, int channels, int h, int w, int d, int threads, int kept) {
  typedef typename Words<C>::Word Word;
  PAM_DYNAMIC_SHARED(Word, shared);
  __shared__ float all_taps[2][8][9 * C];
  const int n = h * w;
  const Group g = group_of(threads, C, channels, samples);
  Word *other = shared + kept * n * g.index, *hidden = other + n, *slope = hidden + n,
       *input = kept == 4 ? slope + n : other;
  float *taps1 = all_taps[0][g.index], *taps2 = all_taps[1][g.index];
  load_taps<C>(one.conv, narrow_type, g, taps1);
  load_taps<C>(two.conv, narrow_type, g, taps2);
  load_planes<C>(x, g, n, input);
  __syncthreads();
  convolve<C, false>(input, taps1, h, w, d, g.thread, g.threads,
                     [&](int i, const float(&f)[C]) { hidden[i] = Words<C>::make(f); });
  __syncthreads();
  activate<C>(hidden, other, g, n, StepConstants<C>(table, g, 0).t);
  __syncthreads();
  convolve<C, false>(other, taps2, h, w, d, g.thread, g.threads,
                     [&](int i, const float(&f)[C]) { slope[i] = Words<C>::make(f); });
  __syncthreads();
  {
    const StepConstants<C> second(table, g, 1);
    float s[2 * C] = {};
    read_planes<C, 1>(dy, g, n, [&](int i, const Word(&words)[PAM_PACK]) {
      Word values[PAM_PACK], masked[PAM_PACK];
      take(slope + i, values);
#pragma unroll
      for (int k = 0; k < PAM_PACK; ++k) {
        float f[C];
        Words<C>::get(words[k], f);
        mask_and_sum<C>(f, values[k], second.t, s);
        masked[k] = Words<C>::make(f);
      }
      put(other + i, masked);
    });
    group_sums(s, g);
    store_affine<C>(sums, g, channels, 1, s, second.t);
    apply_slope<C>(other, slope, g, n, NormSlope<C>(second.t, s, n));
  }
  activate<C>(hidden, other, g, n, StepConstants<C>(table, g, 0).t);
  __syncthreads();
  {
    float taps[9 * C] = {};
    tap_sums<C>(slope, other, h, w, d, g.thread, g.threads, taps);
    store_taps<C>(sums, g, channels, 1, taps);
  }
  {
    const StepConstants<C> first(table, g, 0);
    float s[2 * C] = {};
    convolve<C, true>(slope, taps2, h, w, d, g.thread, g.threads, [&](int i, const float(&f)[C]) {
      float v[C];
#pragma unroll
      for (int c = 0; c < C; ++c) v[c] = f[c];
      mask_and_sum<C>(v, hidden[i], first.t, s);
      other[i] = Words<C>::make(v);
    });
    group_sums(s, g);
    store_affine<C>(sums, g, channels, 0, s, first.t);
    apply_slope<C>(other, hidden, g, n, NormSlope<C>(first.t, s, n));
  }
  if (kept == 3) load_planes<C>(x, g, n, input);  // each thread overwrites only what it has read above
  __syncthreads();
  {
    float taps[9 * C] = {};
    tap_sums<C>(hidden, input, h, w, d, g.thread, g.threads, taps);
    store_taps<C>(sums, g, channels, 0, taps);
  }
  convolve<C, true>(hidden, taps1, h, w, d, g.thread, g.threads,
                    [&](int i, const float(&f)[C]) { slope[i] = Words<C>::make(f); });
  __syncthreads();
  store_planes<C>(slope, dx, g, n, [](float(&)[C]) {});
}

extern "C" __global__ void branch_plane_backward(const Element* x, const Element* dy, Element* dx, Step one, Step two,
                                                 int narrow_type, const Constants* table, float* sums, int samples,
                                                 int channels, int h, int w, int d, int threads, int kept) {
  branch_backward<1>(x, dy, dx, one, two, narrow_type, table, sums, samples, channels, h, w, d, threads, kept);
}
extern "C" __global__ void __launch_bounds__(384, PAM_PACK > 1 ? 2 : 1)
    branch_pair_backward(const Element* x, const Element* dy, Element* dx, Step one, Step two, int narrow_type,
                         const Constants* table, float* sums, int samples, int channels, int h, int w, int d,
                         int threads, int kept) {
  branch_backward<2>(x, dy, dx, one, two, narrow_type, table, sums, samples, channels, h, w, d, threads, kept);
}

// Planes of any size, in device memory: y = conv(x), or with turned != 0 its gradient. A block a plane.
extern "C" __global__ void branch_conv(const Element* x, const void* conv, int narrow_type, Element* y, int channels,
                                     int h, int w, int d, int turned) {
  __shared__ float taps[9];
  const long long at = (long long)blockIdx.x * h * w;
  if (threadIdx.x < 9) taps[threadIdx.x] = parameter(conv, blockIdx.x % channels * 9 + threadIdx.x, narrow_type);
  __syncthreads();
  const auto emit = [&](int i, const float(&f)[1]) { y[at + i] = narrow(f[0]); };
  if (turned)
    convolve<1, true>(x + at, taps, h, w, d, threadIdx.x, blockDim.x, emit);
  else
    convolve<1, false>(x + at, taps, h, w, d, threadIdx.x, blockDim.x, emit);
}

// Nine sums per plane.
extern "C" __global__ void branch_conv_taps(const Element* dy, const Element* x, float* sums, int h, int w, int d) {
  const long long at = (long long)blockIdx.x * h * w;
  float s[9] = {};
  tap_sums<1>(dy + at, x + at, h, w, d, threadIdx.x, blockDim.x, s);
  const Group all{(int)threadIdx.x, (int)blockDim.x, 0, 1, 0, 0, true};
  group_totals(s, all, [&](int k, float sum) { sums[9 * (long long)blockIdx.x + k] = sum; });
}
)PAM";

}  // namespace pam::kernels::cuda
