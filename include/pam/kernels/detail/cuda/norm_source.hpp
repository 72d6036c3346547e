// SPDX-License-Identifier: MIT
/// CUDA source of instance norm + ReLU (+ gate). Contiguous: a block carries a plane. Channels-last, small maps: a
/// block carries a few packs of channels of a sample in shared memory ("slab"). Channels-last, large maps: sums of
/// chunks of pixels, then a pass that turns the sums into constants and applies them.
#pragma once

namespace pam::kernels::cuda {

/// What other kernels share with the norms. `table` (4, planes): scale, shift, mean and rstd of every (sample,
/// channel).
inline constexpr const char* kNormBase = R"PAM(
struct Constants {
  float scale, shift, mean, rstd;
};

__device__ inline Constants constants_of(float mean, float variance, float weight, float bias, float eps) {
  // Squares that overflowed give NaN, not 0, which would make the plane constant: as on the CPU.
  const float rstd = variance > 3.4e38f ? __uint_as_float(0x7fc00000u) : rsqrtf(variance + eps), scale = weight * rstd;
  return {scale, bias - mean * scale, mean, rstd};
}
__device__ inline void store(float* table, long long planes, long long plane, const Constants& t) {
  table[plane] = t.scale;
  table[planes + plane] = t.shift;
  table[2 * planes + plane] = t.mean;
  table[3 * planes + plane] = t.rstd;
}
__device__ inline Constants constants_at(const float* table, long long planes, long long plane) {
  return {table[plane], table[planes + plane], table[2 * planes + plane], table[3 * planes + plane]};
}

// x and what else is read with it.
template <bool Gated>
struct Values {
  Pack x;
};
template <>
struct Values<true> {
  Pack x, logits;
};
template <bool Gated>
__device__ inline void read_logits(Values<Gated>& e, const Pack* logits, unsigned i) {
  if constexpr (Gated) e.logits = logits[i];
}

// relu(norm(x)), through the gate. Same constants for a whole pack (a plane), or a row of them (channels-last).
template <bool Gated, typename Row>
__device__ inline Pack activated(const Values<Gated>& e, const Row& scale, const Row& shift, float identity) {
  float v[PAM_PACK];
  unpack(e.x, v);
#pragma unroll
  for (int k = 0; k < PAM_PACK; ++k) v[k] = relu(v[k] * scale[k] + shift[k]);
  if constexpr (Gated) {
    float logit[PAM_PACK];
    unpack(e.logits, logit);
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) v[k] *= sigmoid(logit[k]) + identity;
  }
  return packed(v);
}

struct Same {
  float v;
  __device__ float operator[](int) const { return v; }
};

// The gradients that reach the norm's output, g, and the logits: dy through the gate and the ReLU.
template <bool Gated, typename Row>
__device__ inline void through_gate(const Values<Gated>& e, const Pack& dy, const Row& scale, const Row& shift,
                                    float identity, float (&v)[PAM_PACK], float (&g)[PAM_PACK],
                                    float (&dlogit)[PAM_PACK]) {
  unpack(e.x, v);
  unpack(dy, g);
  if constexpr (Gated) unpack(e.logits, dlogit);
#pragma unroll
  for (int k = 0; k < PAM_PACK; ++k) {
    const float f = v[k] * scale[k] + shift[k];
    if constexpr (Gated) {
      const float s = sigmoid(dlogit[k]);
      dlogit[k] = g[k] * relu(f) * s * (1.f - s);
      g[k] *= s + identity;
    }
    g[k] = f > 0.f ? g[k] : 0.f;
  }
}

// dx = scale * (g - mean(g)) - scale * rstd^2 * mean(g * (x - mean)) * (x - mean), as scale * g + slope * x + offset.
__device__ inline float gradient_slope(const Constants& t, float g_centred, float inverse) {
  return -t.scale * t.rstd * t.rstd * g_centred * inverse;
}
__device__ inline float gradient_offset(const Constants& t, float slope, float g, float inverse) {
  return -slope * t.mean - t.scale * g * inverse;
}

// The totals of a slab, in `all`: those of this thread's pack come back.
template <int N>
__device__ inline void slab_sums(float (&v)[N], const Lanes& l, float* all, float* totals) {
  lane_sums(v, l, all, [&](int i, float sum) { totals[i] = sum; });
  __syncthreads();
#pragma unroll
  for (int k = 0; k < N; ++k) v[k] = totals[l.pack * N + k];
}

// A block carries `wide` packs of channels of one sample: grid (1, samples, tiles). Shared memory: the slab, then
// blockDim.x * (PAM_PACK + 1) floats. read(p): what is normalised at pixel p, for the pack at hand; U at a time.
template <bool Gated, int U, typename Read>
__device__ inline void slab_forward(const Lanes& l, const Element* logits, Element* y, const void* weight,
                                    const void* bias, int narrow_type, float* table, int pixels, int channels,
                                    int wide, float eps, float identity, const Read& read) {
  PAM_DYNAMIC_SHARED(Pack, kept);
  __shared__ float totals[32 * PAM_PACK];
  const int packs = channels / PAM_PACK;
  float* all = (float*)(kept + pixels * l.tile);
  const int pack = blockIdx.z * wide + l.pack;
  const long long at = (long long)blockIdx.y * pixels * packs + pack;
  const Pack* gate = (const Pack*)logits + (logits ? at : 0);
  Pack *out = (Pack*)y + at, *mine = kept + l.pack;
  const unsigned first = l.lane < l.lanes ? l.lane : pixels;
  float v[PAM_PACK] = {0}, mean[PAM_PACK], scale[PAM_PACK], shift[PAM_PACK];
  stream<U>(first, pixels, l.lanes, read, [&](const Pack& e, unsigned p) {
    float f[PAM_PACK];
    unpack(e, f);
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) v[k] += f[k];
    mine[p * l.tile] = e;  // read again by this thread only
  });
  slab_sums(v, l, all, totals);
#pragma unroll
  for (int k = 0; k < PAM_PACK; ++k) {
    mean[k] = v[k] / pixels;
    v[k] = 0;
  }
  stream<4>(
      first, pixels, l.lanes, [&](unsigned p) { return mine[p * l.tile]; },
      [&](const Pack& e, unsigned) {
        float f[PAM_PACK];
        unpack(e, f);
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) {
          const float d = f[k] - mean[k];
          v[k] += d * d;
        }
      });
  slab_sums(v, l, all, totals);
#pragma unroll
  for (int k = 0; k < PAM_PACK; ++k) {
    const int c = pack * PAM_PACK + k;
    const Constants t = constants_of(mean[k], v[k] / pixels, parameter(weight, c, narrow_type),
                                     parameter(bias, c, narrow_type), eps);
    scale[k] = t.scale;
    shift[k] = t.shift;
    if (l.lane == 0) store(table, (long long)gridDim.y * channels, (long long)blockIdx.y * channels + c, t);
  }
  stream<4>(
      first, pixels, l.lanes,
      [&](unsigned p) {
        Values<Gated> e{mine[p * l.tile]};
        read_logits(e, gate, p * packs);
        return e;
      },
      [&](const Values<Gated>& e, unsigned p) { out[p * packs] = activated(e, scale, shift, identity); });
}

// Totals of `rows` pairs of rows, 2 * stride floats apart: emit(column, first, second) by one thread for each of
// `columns`. `factor(row, column)` weighs the first of a pair.
template <typename Factor, typename Emit>
__device__ inline void row_totals(const float* parts, int rows, long long pair, int stride, int columns,
                                  const Factor& factor, const Emit& emit) {
  __shared__ double all[2][256];
  const int most = blockDim.x < 256 ? blockDim.x : 256, lanes = columns < most ? most / columns : 1;
  __syncthreads();
  for (int i = threadIdx.x; i < columns * lanes; i += blockDim.x) {
    const int c = i % columns;
    double a = 0, b = 0;
#pragma unroll 4
    for (int row = i / columns; row < rows; row += lanes) {
      const float* at = parts + row * pair + c;
      a += (double)at[0] * factor(row, c);
      b += at[stride];
    }
    if (lanes == 1) {
      emit(c, a, b);
    } else {
      all[0][i] = a;
      all[1][i] = b;
    }
  }
  if (lanes == 1) return;
  __syncthreads();
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    double a = 0, b = 0;
    for (int lane = 0; lane < lanes; ++lane) {
      a += all[0][lane * columns + c];
      b += all[1][lane * columns + c];
    }
    emit(c, a, b);
  }
}
struct One {
  __device__ double operator()(int, int) const { return 1; }
};

// The norms' constants of the channels [first, first + columns) from what `norm_pixel_sums` left of a sample's chunks:
// emit(i, constants) by one thread for each.
template <typename Emit>
__device__ inline void pixel_constants(const float* parts, const void* weight, const void* bias, int narrow_type,
                                       long long sample, int pixels, int channels, int chunks, float eps, int first,
                                       int columns, const Emit& emit) {
  const float* rows = parts + sample * (2 * chunks + 1) * channels + first;
  row_totals(rows, chunks, 2ll * channels, channels, columns, One(), [&](int i, double sum, double squares) {
    const double d = sum / pixels, variance = squares / pixels - d * d;
    // Not fmax, which would take a NaN for 0.
    emit(i, constants_of((float)(rows[2ll * chunks * channels + i] + d), variance < 0 ? 0.f : (float)variance,
                         parameter(weight, first + i, narrow_type), parameter(bias, first + i, narrow_type), eps));
  });
}
)PAM";

/// `logits` null: no gate.
inline constexpr const char* kNormSource = R"PAM(
template <bool Gated>
__device__ inline void plane_forward(const Pack* in, const Pack* gate, Pack* out, Pack* kept, const void* weight,
                                     const void* bias, int narrow_type, float* table, int n, int channels, float eps,
                                     float identity) {
  const unsigned packs = n / PAM_PACK;
  float sum[1] = {0}, squares[1] = {0};
  stream<4>(
      threadIdx.x, packs, blockDim.x, [&](unsigned i) { return in[i]; },
      [&](const Pack& e, unsigned i) {
        float v[PAM_PACK];
        unpack(e, v);
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) sum[0] += v[k];
        if (kept) kept[i] = e;  // read again by this thread only
      });
  block_sums(sum);
  const Pack* again = kept ? kept : in;
  const float mean = sum[0] / n;
  stream<4>(
      threadIdx.x, packs, blockDim.x, [&](unsigned i) { return again[i]; },
      [&](const Pack& e, unsigned) {
        float v[PAM_PACK];
        unpack(e, v);
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) {
          const float d = v[k] - mean;
          squares[0] += d * d;
        }
      });
  block_sums(squares);
  const int c = blockIdx.x % channels;
  const Constants t = constants_of(mean, squares[0] / n, parameter(weight, c, narrow_type),
                                   parameter(bias, c, narrow_type), eps);
  if (threadIdx.x == 0) store(table, gridDim.x, blockIdx.x, t);
  stream<4>(
      threadIdx.x, packs, blockDim.x,
      [&](unsigned i) {
        Values<Gated> e{again[i]};
        read_logits(e, gate, i);
        return e;
      },
      [&](const Values<Gated>& e, unsigned i) { out[i] = activated(e, Same{t.scale}, Same{t.shift}, identity); });
}

// keep != 0: dynamic shared memory holds the plane.
extern "C" __global__ void norm_plane(const Element* x, const Element* logits, Element* y, const void* weight,
                                      const void* bias, int narrow_type, float* table, int n, int channels, float eps,
                                      float identity, int keep) {
  PAM_DYNAMIC_SHARED(Pack, kept);
  const long long at = (long long)blockIdx.x * n;
  const Pack *in = (const Pack*)(x + at), *gate = (const Pack*)(logits ? logits + at : 0);
  Pack* out = (Pack*)(y + at);
  if (logits)
    plane_forward<true>(in, gate, out, keep ? kept : 0, weight, bias, narrow_type, table, n, channels, eps, identity);
  else
    plane_forward<false>(in, gate, out, keep ? kept : 0, weight, bias, narrow_type, table, n, channels, eps, identity);
}

template <bool Gated>
__device__ inline void plane_backward(const Pack* in, const Pack* gate, const Pack* dy, Pack* dx, Pack* dlogits,
                                      Pack* kept, const float* table, float* sums, int n, int channels,
                                      float identity) {
  struct Both {
    Values<Gated> e;
    Pack dy;
  };
  const unsigned packs = n / PAM_PACK;
  const Constants t = constants_at(table, gridDim.x, blockIdx.x);
  float s[2] = {0, 0};
  stream<2>(
      threadIdx.x, packs, blockDim.x,
      [&](unsigned i) {
        Both b{{in[i]}, dy[i]};
        read_logits(b.e, gate, i);
        return b;
      },
      [&](const Both& b, unsigned i) {
        float v[PAM_PACK], g[PAM_PACK], unused[PAM_PACK];
        through_gate(b.e, b.dy, Same{t.scale}, Same{t.shift}, identity, v, g, unused);
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) {
          s[0] += g[k] * (v[k] - t.mean);
          s[1] += g[k];
        }
        if (kept) {
          kept[i] = b.e.x;
          kept[packs + i] = b.dy;
        }
      });
  block_sums(s);
  const int sample = blockIdx.x / channels, c = blockIdx.x % channels;
  if (threadIdx.x == 0) {
    sums[2ll * sample * channels + c] = s[0] * t.rstd;
    sums[(2ll * sample + 1) * channels + c] = s[1];
  }
  const float slope = gradient_slope(t, s[0], 1.f / n), offset = gradient_offset(t, slope, s[1], 1.f / n);
  const Pack *again = kept ? kept : in, *up = kept ? kept + packs : dy;
  stream<2>(
      threadIdx.x, packs, blockDim.x,
      [&](unsigned i) {
        Both b{{again[i]}, up[i]};
        read_logits(b.e, gate, i);
        return b;
      },
      [&](const Both& b, unsigned i) {
        float v[PAM_PACK], g[PAM_PACK], dlogit[PAM_PACK];
        through_gate(b.e, b.dy, Same{t.scale}, Same{t.shift}, identity, v, g, dlogit);
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) v[k] = t.scale * g[k] + (slope * v[k] + offset);
        dx[i] = packed(v);
        if constexpr (Gated) dlogits[i] = packed(dlogit);
      });
}

// sums (sample, 2, channel): each plane's part of the gradients of weight and bias. keep != 0: dynamic shared memory
// holds the planes of x and of dy.
extern "C" __global__ void norm_plane_backward(const Element* x, const Element* logits, const Element* dy,
                                               const float* table, Element* dx, Element* dlogits, float* sums, int n,
                                               int channels, float identity, int keep) {
  PAM_DYNAMIC_SHARED(Pack, kept);
  const long long at = (long long)blockIdx.x * n;
  const Pack *in = (const Pack*)(x + at), *gate = (const Pack*)(logits ? logits + at : 0), *up = (const Pack*)(dy + at);
  Pack *down = (Pack*)(dx + at), *gate_down = (Pack*)(logits ? dlogits + at : 0);
  if (logits)
    plane_backward<true>(in, gate, up, down, gate_down, keep ? kept : 0, table, sums, n, channels, identity);
  else
    plane_backward<false>(in, gate, up, down, gate_down, keep ? kept : 0, table, sums, n, channels, identity);
}

template <bool Gated>
__device__ inline void norm_of_slab(const Element* x, const Element* logits, Element* y, const void* weight,
                                    const void* bias, int narrow_type, float* table, int pixels, int channels,
                                    int wide, float eps, float identity) {
  const int packs = channels / PAM_PACK;
  const Lanes l = lanes_of(packs, wide);
  const Pack* in = (const Pack*)x + (long long)blockIdx.y * pixels * packs + blockIdx.z * wide + l.pack;
  slab_forward<Gated, 4>(l, logits, y, weight, bias, narrow_type, table, pixels, channels, wide, eps, identity,
                         [&](unsigned p) { return in[p * packs]; });
}

extern "C" __global__ void norm_slab(const Element* x, const Element* logits, Element* y, const void* weight,
                                     const void* bias, int narrow_type, float* table, int pixels, int channels,
                                     int wide, float eps, float identity) {
  if (logits)
    norm_of_slab<true>(x, logits, y, weight, bias, narrow_type, table, pixels, channels, wide, eps, identity);
  else
    norm_of_slab<false>(x, logits, y, weight, bias, narrow_type, table, pixels, channels, wide, eps, identity);
}

// The constants of a pack's channels, row by row.
struct PackConstants {
  float scale[PAM_PACK], shift[PAM_PACK], mean[PAM_PACK];
};
__device__ inline void read_constants(const float* table, long long planes, long long plane, PackConstants& t) {
  read_row(table + plane, t.scale);
  read_row(table + planes + plane, t.shift);
  read_row(table + 2 * planes + plane, t.mean);
}

// sums of g * (x - mean) and of g over a thread's pixels.
template <bool Gated>
struct Incoming {
  Values<Gated> e;
  Pack dy;
};
template <bool Gated>
__device__ inline void add_gradient(const Incoming<Gated>& b, const PackConstants& t, float identity,
                                    float (&s)[2 * PAM_PACK]) {
  float v[PAM_PACK], g[PAM_PACK], unused[PAM_PACK];
  through_gate(b.e, b.dy, t.scale, t.shift, identity, v, g, unused);
#pragma unroll
  for (int k = 0; k < PAM_PACK; ++k) {
    s[k] += g[k] * (v[k] - t.mean[k]);
    s[PAM_PACK + k] += g[k];
  }
}
template <bool Gated>
__device__ inline void write_gradient(const Incoming<Gated>& b, const float (&scale)[PAM_PACK],
                                      const float (&shift)[PAM_PACK], const float (&slope)[PAM_PACK],
                                      const float (&offset)[PAM_PACK], float identity, Pack* dx, Pack* dlogits,
                                      unsigned at) {
  float v[PAM_PACK], g[PAM_PACK], dlogit[PAM_PACK];
  through_gate(b.e, b.dy, scale, shift, identity, v, g, dlogit);
#pragma unroll
  for (int k = 0; k < PAM_PACK; ++k) v[k] = scale[k] * g[k] + (slope[k] * v[k] + offset[k]);
  dx[at] = packed(v);
  if constexpr (Gated) dlogits[at] = packed(dlogit);
}

// Shared memory: the slabs of x and of dy, then blockDim.x * (2 * PAM_PACK + 1) floats.
template <bool Gated>
__device__ inline void slab_backward(const Element* x, const Element* logits, const Element* dy, const float* table,
                                     Element* dx, Element* dlogits, float* sums, int pixels, int channels, int wide,
                                     float identity) {
  PAM_DYNAMIC_SHARED(Pack, kept);
  __shared__ float totals[2 * 32 * PAM_PACK];
  const int packs = channels / PAM_PACK;
  const Lanes l = lanes_of(packs, wide);
  float* all = (float*)(kept + 2 * pixels * l.tile);
  const int pack = blockIdx.z * wide + l.pack, c = pack * PAM_PACK;
  const long long at = (long long)blockIdx.y * pixels * packs + pack;
  const Pack *in = (const Pack*)x + at, *gate = (const Pack*)logits + (logits ? at : 0), *up = (const Pack*)dy + at;
  Pack *down = (Pack*)dx + at, *gate_down = (Pack*)dlogits + (logits ? at : 0), *mine = kept + l.pack,
       *mine_up = mine + pixels * l.tile;
  const unsigned first = l.lane < l.lanes ? l.lane : pixels;
  const long long planes = (long long)gridDim.y * channels, plane = (long long)blockIdx.y * channels + c;
  PackConstants t;
  read_constants(table, planes, plane, t);
  float s[2 * PAM_PACK] = {0}, slope[PAM_PACK], offset[PAM_PACK], rstd[PAM_PACK];
  stream<2>(
      first, pixels, l.lanes,
      [&](unsigned p) {
        Incoming<Gated> b{{in[p * packs]}, up[p * packs]};
        read_logits(b.e, gate, p * packs);
        return b;
      },
      [&](const Incoming<Gated>& b, unsigned p) {
        add_gradient(b, t, identity, s);
        mine[p * l.tile] = b.e.x;
        mine_up[p * l.tile] = b.dy;
      });
  slab_sums(s, l, all, totals);
  read_row(table + 3 * planes + plane, rstd);
#pragma unroll
  for (int k = 0; k < PAM_PACK; ++k) {
    const Constants one{t.scale[k], t.shift[k], t.mean[k], rstd[k]};
    slope[k] = gradient_slope(one, s[k], 1.f / pixels);
    offset[k] = gradient_offset(one, slope[k], s[PAM_PACK + k], 1.f / pixels);
    if (l.lane == 0) {
      sums[2ll * blockIdx.y * channels + c + k] = s[k] * rstd[k];
      sums[(2ll * blockIdx.y + 1) * channels + c + k] = s[PAM_PACK + k];
    }
  }
  stream<2>(
      first, pixels, l.lanes,
      [&](unsigned p) {
        Incoming<Gated> b{{mine[p * l.tile]}, mine_up[p * l.tile]};
        read_logits(b.e, gate, p * packs);
        return b;
      },
      [&](const Incoming<Gated>& b, unsigned p) {
        write_gradient(b, t.scale, t.shift, slope, offset, identity, down, gate_down, p * packs);
      });
}

extern "C" __global__ void norm_slab_backward(const Element* x, const Element* logits, const Element* dy,
                                              const float* table, Element* dx, Element* dlogits, float* sums,
                                              int pixels, int channels, int wide, float identity) {
  if (logits)
    slab_backward<true>(x, logits, dy, table, dx, dlogits, sums, pixels, channels, wide, identity);
  else
    slab_backward<false>(x, logits, dy, table, dx, dlogits, sums, pixels, channels, wide, identity);
}

// The pixels that a thread of a chunk's block reads, counted in packs of the sample: [first, last), `step` apart. A
// sample has fewer than 2^31 packs, so none of this passes 2^32. The second pass over a tensor takes them from the last
// to the first, mirror - i for i: what the first pass has read last is the likeliest to be in the L2 cache still.
struct Reach {
  unsigned first, last, step, mirror;
};
__device__ inline Reach reach_of(const Lanes& l, unsigned pixels, unsigned packs, unsigned chunk) {
  const unsigned begin = blockIdx.x * chunk, left = pixels - begin;
  const unsigned end = begin + (chunk < left ? chunk : left), own = begin + l.lane;
  const unsigned first = l.lane < l.lanes && own < end ? own : end;
  const unsigned mirror = first < end ? 2 * first + (end - 1 - first) / l.lanes * l.lanes : 0;
  return {first * packs, end * packs, l.lanes * packs, mirror * packs};
}

// Sums of x - s and (x - s)^2 over a chunk of pixels, s being the sample's first pixel: a value of the data itself, so
// that the variance does not drown in the mean. parts (sample, 2 * chunks + 1, channel): the two sums of every chunk,
// and s. Shared memory: blockDim.x * (2 * PAM_PACK + 1) floats.
extern "C" __global__ void norm_pixel_sums(const Element* x, float* parts, int pixels, int channels, int chunk) {
  PAM_DYNAMIC_SHARED(float, all);
  const int packs = channels / PAM_PACK;
  const Lanes l = lanes_of(packs, 32);
  const Reach r = reach_of(l, pixels, packs, chunk);
  const int pack = blockIdx.z * 32 + l.pack;
  const Pack* in = (const Pack*)x + (long long)blockIdx.y * pixels * packs + pack;
  float v[2 * PAM_PACK] = {0}, origin[PAM_PACK];
  unpack(in[0], origin);
  stream<4>(
      r.first, r.last, r.step, [&](unsigned i) { return in[i]; },
      [&](const Pack& e, unsigned) {
        float f[PAM_PACK];
        unpack(e, f);
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) {
          const float d = f[k] - origin[k];
          v[k] += d;
          v[PAM_PACK + k] += d * d;
        }
      });
  float* rows = parts + (long long)blockIdx.y * (2 * gridDim.x + 1) * channels;
  const int first = blockIdx.z * 32 * PAM_PACK;
  lane_sums(v, l, all, [&](int i, float sum) {
    const int k = i % (2 * PAM_PACK);
    rows[(2 * blockIdx.x + k / PAM_PACK) * channels + first + i / (2 * PAM_PACK) * PAM_PACK + k % PAM_PACK] = sum;
  });
  if (blockIdx.x == 0 && l.lane == 0) {
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) rows[2 * gridDim.x * channels + pack * PAM_PACK + k] = origin[k];
  }
}

template <bool Gated>
__device__ inline void apply_pixels(const Pack* in, const Pack* gate, Pack* out, const float (&scale)[PAM_PACK],
                                    const float (&shift)[PAM_PACK], const Reach& r, float identity) {
  stream<Gated ? 2 : 4>(
      r.first, r.last, r.step,
      [&](unsigned i) {
        Values<Gated> e{in[r.mirror - i]};
        read_logits(e, gate, r.mirror - i);
        return e;
      },
      [&](const Values<Gated>& e, unsigned i) { out[r.mirror - i] = activated(e, scale, shift, identity); });
}

// Every block sums its sample's parts itself: a kernel of its own would take longer than that.
extern "C" __global__ void __launch_bounds__(256, 3)
    norm_pixel_apply(const Element* x, const Element* logits, const float* parts, const void* weight, const void* bias,
                     int narrow_type, float* table, Element* y, int pixels, int channels, int chunk, int chunks,
                     float eps, float identity) {
  alignas(16) __shared__ float scales[32 * PAM_PACK], shifts[32 * PAM_PACK];
  const int packs = channels / PAM_PACK;
  const Lanes l = lanes_of(packs, 32);
  const Reach r = reach_of(l, pixels, packs, chunk);
  const int first = blockIdx.z * 32 * PAM_PACK;
  const auto keep = [&](int i, const Constants& t) {
    scales[i] = t.scale;
    shifts[i] = t.shift;
    if (blockIdx.x == 0) store(table, (long long)gridDim.y * channels, (long long)blockIdx.y * channels + first + i, t);
  };
  pixel_constants(parts, weight, bias, narrow_type, blockIdx.y, pixels, channels, chunks, eps, first, l.tile * PAM_PACK,
                  keep);
  __syncthreads();
  float scale[PAM_PACK], shift[PAM_PACK];
  read_row(scales + l.pack * PAM_PACK, scale);
  read_row(shifts + l.pack * PAM_PACK, shift);
  const long long at = (long long)blockIdx.y * pixels * packs + blockIdx.z * 32 + l.pack;
  if (logits)
    apply_pixels<true>((const Pack*)x + at, (const Pack*)logits + at, (Pack*)y + at, scale, shift, r, identity);
  else
    apply_pixels<false>((const Pack*)x + at, 0, (Pack*)y + at, scale, shift, r, identity);
}

// The last norm and ReLU of a network with its head, a 1x1 convolution to N channels: y (sample, pixel, N). A thread
// computes a pixel; from the last to the first, as above. rows: scale, shift and N weights of every channel.
template <int N>
__device__ inline void head_pixels(const Pack* in, Element* out, const float* rows, unsigned first, unsigned last,
                                   int channels) {
  const int packs = channels / PAM_PACK;
  for (unsigned i = threadIdx.x; i < last - first; i += blockDim.x) {
    const unsigned p = last - 1 - i;
    float sum[N] = {0};
#pragma unroll 4
    for (int pack = 0; pack < packs; ++pack) {
      const Pack e = in[p * packs + pack];
      float v[PAM_PACK], scale[PAM_PACK], shift[PAM_PACK];
      const float* own = rows + pack * PAM_PACK;
      unpack(e, v);
      read_row(own, scale);
      read_row(own + channels, shift);
#pragma unroll
      for (int k = 0; k < PAM_PACK; ++k) v[k] = relu(v[k] * scale[k] + shift[k]);
#pragma unroll
      for (int n = 0; n < N; ++n) {
        float taps[PAM_PACK];
        read_row(own + (2 + n) * channels, taps);
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) sum[n] += v[k] * taps[k];
      }
    }
#pragma unroll
    for (int n = 0; n < N; ++n) out[(long long)p * N + n] = narrow(sum[n]);
  }
}

// `outputs`: 1 to 4. Shared memory: (2 + outputs) * channels floats.
extern "C" __global__ void norm_pixel_head(const Element* x, const float* parts, const void* weight, const void* bias,
                                           const void* head, int narrow_type, Element* y, int pixels, int channels,
                                           int chunk, int chunks, float eps, int outputs) {
  PAM_DYNAMIC_SHARED(float, rows);
  pixel_constants(parts, weight, bias, narrow_type, blockIdx.y, pixels, channels, chunks, eps, 0, channels,
                  [&](int i, const Constants& t) {
                    rows[i] = t.scale;
                    rows[channels + i] = t.shift;
                  });
  for (int i = threadIdx.x; i < outputs * channels; i += blockDim.x)
    rows[2 * channels + i] = parameter(head, i, narrow_type);
  __syncthreads();
  const unsigned first = blockIdx.x * (unsigned)chunk, left = pixels - first;
  const unsigned last = first + ((unsigned)chunk < left ? chunk : left);
  const Pack* in = (const Pack*)(x + (long long)blockIdx.y * pixels * channels);
  Element* out = y + (long long)blockIdx.y * pixels * outputs;
  switch (outputs) {
    case 1: return head_pixels<1>(in, out, rows, first, last, channels);
    case 2: return head_pixels<2>(in, out, rows, first, last, channels);
    case 3: return head_pixels<3>(in, out, rows, first, last, channels);
    default: return head_pixels<4>(in, out, rows, first, last, channels);
  }
}

template <bool Gated>
__device__ inline void grad_sums(const Pack* in, const Pack* gate, const Pack* up, const PackConstants& t,
                                 const Reach& r, float identity, float (&s)[2 * PAM_PACK]) {
  stream<2>(
      r.first, r.last, r.step,
      [&](unsigned i) {
        Incoming<Gated> b{{in[i]}, up[i]};
        read_logits(b.e, gate, i);
        return b;
      },
      [&](const Incoming<Gated>& b, unsigned) { add_gradient(b, t, identity, s); });
}

// parts (sample, chunk, 2, channel): sums of g * (x - mean) and of g. Shared memory as for norm_pixel_sums.
extern "C" __global__ void __launch_bounds__(256, 3)
    norm_pixel_grad_sums(const Element* x, const Element* logits, const Element* dy, const float* table, float* parts,
                         int pixels, int channels, int chunk, float identity) {
  PAM_DYNAMIC_SHARED(float, all);
  const int packs = channels / PAM_PACK;
  const Lanes l = lanes_of(packs, 32);
  const Reach r = reach_of(l, pixels, packs, chunk);
  const int pack = blockIdx.z * 32 + l.pack;
  const long long at = (long long)blockIdx.y * pixels * packs + pack;
  PackConstants t;
  read_constants(table, (long long)gridDim.y * channels, (long long)blockIdx.y * channels + pack * PAM_PACK, t);
  float s[2 * PAM_PACK] = {0};
  if (logits)
    grad_sums<true>((const Pack*)x + at, (const Pack*)logits + at, (const Pack*)dy + at, t, r, identity, s);
  else
    grad_sums<false>((const Pack*)x + at, 0, (const Pack*)dy + at, t, r, identity, s);
  float* rows = parts + ((long long)blockIdx.y * gridDim.x + blockIdx.x) * 2 * channels + blockIdx.z * 32 * PAM_PACK;
  lane_sums(s, l, all, [&](int i, float sum) {
    const int k = i % (2 * PAM_PACK);
    rows[k / PAM_PACK * channels + i / (2 * PAM_PACK) * PAM_PACK + k % PAM_PACK] = sum;
  });
}

template <bool Gated>
__device__ inline void grad_apply(const Pack* in, const Pack* gate, const Pack* up, Pack* down, Pack* gate_down,
                                  const float (&scale)[PAM_PACK], const float (&shift)[PAM_PACK],
                                  const float (&slope)[PAM_PACK], const float (&offset)[PAM_PACK], const Reach& r,
                                  float identity) {
  stream<Gated ? 1 : 2>(
      r.first, r.last, r.step,
      [&](unsigned i) {
        Incoming<Gated> b{{in[r.mirror - i]}, up[r.mirror - i]};
        read_logits(b.e, gate, r.mirror - i);
        return b;
      },
      [&](const Incoming<Gated>& b, unsigned i) {
        write_gradient(b, scale, shift, slope, offset, identity, down, gate_down, r.mirror - i);
      });
}

// The first block of each tile also sums the gradients of weight and bias over all samples.
extern "C" __global__ void __launch_bounds__(256, 3)
    norm_pixel_grad_apply(const Element* x, const Element* logits, const Element* dy, const float* table,
                          const float* parts, Element* dx, Element* dlogits, float* dweight, float* dbias, int pixels,
                          int channels, int chunk, int chunks, float identity) {
  alignas(16) __shared__ float slopes[32 * PAM_PACK], offsets[32 * PAM_PACK];
  const int packs = channels / PAM_PACK;
  const Lanes l = lanes_of(packs, 32);
  const Reach r = reach_of(l, pixels, packs, chunk);
  const int first = blockIdx.z * 32 * PAM_PACK;
  const long long planes = (long long)gridDim.y * channels, plane = (long long)blockIdx.y * channels + first;
  const float* rows = parts + (long long)blockIdx.y * chunks * 2 * channels + first;
  row_totals(rows, chunks, 2ll * channels, channels, l.tile * PAM_PACK, One(), [&](int i, double centred, double g) {
    const Constants t = constants_at(table, planes, plane + i);
    slopes[i] = gradient_slope(t, (float)centred, 1.f / pixels);
    offsets[i] = gradient_offset(t, slopes[i], (float)g, 1.f / pixels);
  });
  __syncthreads();
  float scale[PAM_PACK], shift[PAM_PACK], slope[PAM_PACK], offset[PAM_PACK];
  read_row(table + plane + l.pack * PAM_PACK, scale);
  read_row(table + planes + plane + l.pack * PAM_PACK, shift);
  read_row(slopes + l.pack * PAM_PACK, slope);
  read_row(offsets + l.pack * PAM_PACK, offset);
  const long long at = (long long)blockIdx.y * pixels * packs + blockIdx.z * 32 + l.pack;
  const Pack *in = (const Pack*)x + at, *up = (const Pack*)dy + at;
  if (logits)
    grad_apply<true>(in, (const Pack*)logits + at, up, (Pack*)dx + at, (Pack*)dlogits + at, scale, shift, slope, offset,
                     r, identity);
  else
    grad_apply<false>(in, 0, up, (Pack*)dx + at, 0, scale, shift, slope, offset, r, identity);
  if (blockIdx.x != 0 || blockIdx.y != 0) return;
  row_totals(
      parts + first, gridDim.y * chunks, 2ll * channels, channels, l.tile * PAM_PACK,
      [&](int row, int i) { return (double)table[3 * planes + (long long)(row / chunks) * channels + first + i]; },
      [&](int i, double g_xhat, double g) {
        dweight[first + i] = (float)g_xhat;
        dbias[first + i] = (float)g;
      });
}
)PAM";

}  // namespace pam::kernels::cuda
