// SPDX-License-Identifier: MIT
/// CUDA source of bilinear upsampling (align_corners) with concat, and with RFNA's gate. A thread owns a column of
/// packs and walks down its rows: what the columns beside it weigh is found once, and each row of the small map is
/// blended across once for all the rows that lie between it and the next.
#pragma once

namespace pam::kernels::cuda {

/// Channels-last: a pack is channels of one pixel. Contiguous: a pack is pixels of one row.
inline constexpr const char* kUpsampleSource = R"PAM(
struct Resize {
  int channels, h, w, height, width, last;
};  // channels counted in packs (channels-last) or planes (contiguous)

__device__ inline float axis_scale(int in, int out) { return out > 1 ? (float)(in - 1) / (float)(out - 1) : 0.f; }

// The first of the two inputs that output i reads.
__device__ inline int source_of(int i, float scale, int in) {
  const int at = (int)(i * scale);
  return at < in - 1 ? at : in - 1;
}
// The first output that reads input i or a later one as its first.
__device__ inline int first_reader(int i, float scale, int in, int out) {
  if (i <= 0) return 0;
  int y = scale > 0.f ? (int)(i / scale) - 1 : out;
  if (y < 0) y = 0;
  while (y < out && source_of(y, scale, in) < i) ++y;
  return y;
}

// Packs of one row of one channel (contiguous) or of one pack of channels (channels-last).
__device__ inline unsigned packs_across(const Resize& s) { return s.last ? s.width : s.width / PAM_PACK; }

// Where a thread's column lies: its channel, its place in the row, and, in a large map of `channels`, the first row.
struct Column {
  unsigned c, x, step;  // step: packs from a row to the next
  long long at;
};
__device__ inline Column column_of(unsigned i, unsigned own, const Resize& s, long long sample, int channels, int c0,
                                   int rows) {
  const unsigned across = packs_across(s);
  Column column;
  column.c = s.last ? i % own : i / across;
  column.x = s.last ? i / own : i % across;
  column.step = s.last ? across * channels : across;
  column.at = s.last ? (sample * rows * across + column.x) * channels + c0 + column.c
                     : (sample * channels + c0 + column.c) * rows * across + column.x;
  return column;
}

// The small map around a column: blend(row) gives the pack of this column between its two neighbours. Wide: a pack is
// PAM_PACK pixels, each with neighbours of its own.
template <bool Wide>
struct Small {
  const Pack* left;
  int right, step;
  float u;
  __device__ Small(const Element* x, const Resize& s, long long sample, const Column& column) {
    const float sx = column.x * axis_scale(s.w, s.width);
    const int x0 = source_of(column.x, axis_scale(s.w, s.width), s.w);
    const int pixel = s.last ? s.channels : 1;
    u = sx - x0;
    step = s.w * pixel;
    right = x0 + 1 < s.w ? pixel : 0;
    left = (const Pack*)x + (s.last ? (sample * s.h * s.w + x0) * s.channels + column.c
                                    : (sample * s.channels + column.c) * s.h * s.w + x0);
  }
  // The packs left and right of the column.
  __device__ void neighbours(int row, float (&a)[PAM_PACK], float (&b)[PAM_PACK]) const {
    const Pack *p = left + row * step, one = p[0], other = p[right];
    unpack(one, a);
    unpack(other, b);
  }
  __device__ void blend(int row, float (&f)[PAM_PACK]) const {
    float a[PAM_PACK];
    neighbours(row, a, f);
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) f[k] = (1.f - u) * a[k] + u * f[k];
  }
};
template <>
struct Small<true> {
  const Element* plane;
  int x0[PAM_PACK], w;
  float u[PAM_PACK];
  __device__ Small(const Element* x, const Resize& s, long long sample, const Column& column) {
    const float scale = axis_scale(s.w, s.width);
    w = s.w;
    plane = x + (sample * s.channels + column.c) * s.h * s.w;
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) {
      const int at = column.x * PAM_PACK + k;
      x0[k] = source_of(at, scale, w);
      u[k] = at * scale - x0[k];
    }
  }
  __device__ void blend(int row, float (&f)[PAM_PACK]) const {
    const Element* p = plane + row * w;
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) {
      const Element* at = p + x0[k];
      f[k] = (1.f - u[k]) * widen(at[0]) + u[k] * widen(at[x0[k] + 1 < w]);
    }
  }
};

// The same of relu(norm(x)): a norm's scale and shift of the column's channels.
struct SmallNormed : Small<false> {
  float scale[PAM_PACK], shift[PAM_PACK];
  __device__ SmallNormed(const Element* x, const Resize& s, long long sample, const Column& column, const float* rows)
      : Small<false>(x, s, sample, column) {
    read_row(rows + column.c * PAM_PACK, scale);
    read_row(rows + (s.channels + column.c) * PAM_PACK, shift);
  }
  __device__ void blend(int row, float (&f)[PAM_PACK]) const {
    float a[PAM_PACK];
    neighbours(row, a, f);
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k)
      f[k] = (1.f - u) * relu(a[k] * scale[k] + shift[k]) + u * relu(f[k] * scale[k] + shift[k]);
  }
};

// The rows [at, end) of the small map, each with the outputs from y on, below `last`, that read it first: row(at)
// before, emit(y, f, v) for each with the upsampled pack and the weight of the lower row, done(at) after.
template <typename Map, typename Row, typename Emit, typename Done>
__device__ inline void walk(const Map& map, const Resize& s, int at, int end, int y, int last, const Row& row,
                            const Emit& emit, const Done& done) {
  const float scale = axis_scale(s.h, s.height);
  float top[PAM_PACK], bottom[PAM_PACK], down[PAM_PACK];
  map.blend(at, bottom);
#pragma unroll 1
  for (; at < end; ++at) {
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) top[k] = bottom[k];
    map.blend(at + 1 < s.h ? at + 1 : at, bottom);
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) down[k] = bottom[k] - top[k];
    row(at);
#pragma unroll 1
    for (; y < last && source_of(y, scale, s.h) == at; ++y) {
      const float v = y * scale - at;
      float f[PAM_PACK];
#pragma unroll
      for (int k = 0; k < PAM_PACK; ++k) f[k] = top[k] + v * down[k];
      emit(y, f, v);
    }
    done(at);
  }
}
// The outputs [first, last).
template <typename Map, typename Emit>
__device__ inline void upsampled_rows(const Map& map, const Resize& s, int first, int last, const Emit& emit) {
  const float scale = axis_scale(s.h, s.height);
  const auto nothing = [](int) {};
  walk(map, s, source_of(first, scale, s.h), source_of(last - 1, scale, s.h) + 1, first, last, nothing, emit, nothing);
}

// small(column): the small map around a column.
template <typename Make>
__device__ inline void concat_columns(const Element* skip, Element* y, const Resize& s, int skip_channels, int rows,
                                      const Make& small) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, across = packs_across(s), up = across * s.channels;
  const int first = blockIdx.y * rows, last = first + rows < s.height ? first + rows : s.height;
  const int channels = s.channels + skip_channels;
  if (i >= across * channels) return;
  if (i < up) {
    const Column column = column_of(i, s.channels, s, blockIdx.z, channels, 0, s.height);
    Pack* out = (Pack*)y + column.at;
    upsampled_rows(small(column), s, first, last,
                   [&](unsigned at, const float(&f)[PAM_PACK], float) { out[at * column.step] = packed(f); });
  } else {
    const Column to = column_of(i - up, skip_channels, s, blockIdx.z, channels, s.channels, s.height),
                 from = column_of(i - up, skip_channels, s, blockIdx.z, skip_channels, 0, s.height);
    const Pack* in = (const Pack*)skip + from.at;
    Pack* out = (Pack*)y + to.at;
    stream<4>(
        first, last, 1, [&](unsigned at) { return in[at * from.step]; },
        [&](const Pack& p, unsigned at) { out[at * to.step] = p; });
  }
}

// `rows` of the output a block: grid (columns, groups of rows, samples).
extern "C" __global__ void upsample_concat(const Element* x, const Element* skip, Element* y, Resize s,
                                           int skip_channels, int rows) {
  if (PAM_PACK > 1 && !s.last)
    concat_columns(skip, y, s, skip_channels, rows,
                   [&](const Column& column) { return Small<true>(x, s, blockIdx.z, column); });
  else
    concat_columns(skip, y, s, skip_channels, rows,
                   [&](const Column& column) { return Small<false>(x, s, blockIdx.z, column); });
}

// The same of relu(norm(x)), channels-last: `parts` are `norm_pixel_sums` of x. Shared memory: two floats a channel of
// x.
extern "C" __global__ void upsample_concat_normed(const Element* x, const float* parts, const void* weight,
                                                  const void* bias, int narrow_type, const Element* skip, Element* y,
                                                  Resize s, int skip_channels, int rows, int chunks, float eps) {
  PAM_DYNAMIC_SHARED(float, constants);
  const int channels = s.channels * PAM_PACK;
  pixel_constants(parts, weight, bias, narrow_type, blockIdx.z, s.h * s.w, channels, chunks, eps, 0, channels,
                  [&](int i, const Constants& t) {
                    constants[i] = t.scale;
                    constants[channels + i] = t.shift;
                  });
  __syncthreads();
  concat_columns(skip, y, s, skip_channels, rows,
                 [&](const Column& column) { return SmallNormed(x, s, blockIdx.z, column, constants); });
}

// The outputs that read input i along a row: [first, last], with tent(output) > 0 at both ends.
struct Readers {
  int first, last;
};
__device__ inline float tent(int output, float scale, int i) {
  const float d = 1.f - fabsf(output * scale - i);
  return d > 0.f ? d : 0.f;
}
__device__ inline Readers readers_of(int i, float scale, int outputs) {
  if (scale == 0.f) return {0, outputs - 1};
  const int low = (int)((i - 1) / scale) - 1, high = (int)((i + 1) / scale) + 1;
  Readers r{low > 0 ? low : 0, high < outputs - 1 ? high : outputs - 1};
  while (r.first < r.last && tent(r.first, scale, i) == 0.f) ++r.first;
  while (r.last > r.first && tent(r.last, scale, i) == 0.f) --r.last;
  return r;
}
// Adds what the outputs of a row give to input i, into g; `pixel`: packs from an output to the next.
__device__ inline void gather(const Pack* row, const Readers& r, unsigned pixel, float scale, int i,
                              float (&g)[PAM_PACK]) {
  stream<4>(
      r.first, r.last + 1, 1, [&](unsigned x) { return row[x * pixel]; },
      [&](const Pack& p, unsigned x) {
        const float weight = tent(x, scale, i);
        float f[PAM_PACK];
        unpack(p, f);
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) g[k] += weight * f[k];
      });
}

// dx from dy, which has `stride` packs of channels (or planes) and whose first s.channels are read: `rows` of dx a
// block. Contiguous: packs of one.
extern "C" __global__ void upsample_backward(const Element* dy, int stride, Element* dx, Resize s, int rows) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (unsigned)s.channels * s.w) return;
  const long long sample = blockIdx.z;
  const unsigned c = s.last ? i % s.channels : i / s.w, x = s.last ? i / s.channels : i % s.w;
  const unsigned pixel = s.last ? stride : 1, step = s.width * pixel, small = s.w * (s.last ? s.channels : 1);
  const Pack* from = (const Pack*)dy + (s.last ? sample * s.height * s.width * stride + c
                                               : (sample * stride + c) * s.height * s.width);
  Pack* to = (Pack*)dx + (s.last ? (sample * s.h * s.w + x) * s.channels + c
                                 : (sample * s.channels + c) * s.h * s.w + x);
  const float scale = axis_scale(s.h, s.height), scale_x = axis_scale(s.w, s.width);
  const Readers r = readers_of(x, scale_x, s.width);
  const int first = blockIdx.y * rows, last = first + rows < s.h ? first + rows : s.h;
  int at = first > 0 ? first - 1 : 0, y = first_reader(at, scale, s.h, s.height);
  float carry[PAM_PACK] = {0};  // what the outputs of the row before give to this one
#pragma unroll 1
  for (; at < last; ++at) {
    float own[PAM_PACK], next[PAM_PACK] = {0};
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) own[k] = carry[k];
#pragma unroll 1
    for (; y < s.height && source_of(y, scale, s.h) == at; ++y) {
      const float v = y * scale - at;
      float g[PAM_PACK] = {0};
      gather(from + y * step, r, pixel, scale_x, x, g);
#pragma unroll
      for (int k = 0; k < PAM_PACK; ++k) {
        own[k] += (1.f - v) * g[k];
        next[k] += v * g[k];
      }
    }
#pragma unroll
    for (int k = 0; k < PAM_PACK; ++k) {
      if (at == s.h - 1) own[k] += next[k];
      carry[k] = next[k];
    }
    if (at >= first) to[at * small] = packed(own);
  }
}

struct Gate {
  Pack f, shortcut;
};

template <bool Wide>
__device__ inline void gate_columns(const Element* f, const Element* logits, const Element* shortcut, Element* y,
                                    const Resize& s, float identity, int rows) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= packs_across(s) * s.channels) return;
  const int first = blockIdx.y * rows, last = first + rows < s.height ? first + rows : s.height;
  const Column column = column_of(i, s.channels, s, blockIdx.z, s.channels, 0, s.height);
  const Pack *in = (const Pack*)f + column.at, *added = (const Pack*)shortcut + column.at;
  Pack* out = (Pack*)y + column.at;
  const auto load = [&](unsigned at) {
    Gate g{in[at * column.step]};
    g.shortcut = shortcut == f ? g.f : added[at * column.step];
    return g;
  };
  Gate ahead = load(first);
  upsampled_rows(Small<Wide>(logits, s, blockIdx.z, column), s, first, last,
                 [&](unsigned at, const float(&a)[PAM_PACK], float) {
                   const Gate now = ahead;
                   if (at + 1 < last) ahead = load(at + 1);
                   float v[PAM_PACK], q[PAM_PACK];
                   unpack(now.f, v);
                   unpack(now.shortcut, q);
#pragma unroll
                   for (int k = 0; k < PAM_PACK; ++k) v[k] *= sigmoid(a[k] + q[k]) + identity;
                   out[at * column.step] = packed(v);
                 });
}

extern "C" __global__ void upsample_gate(const Element* f, const Element* logits, const Element* shortcut, Element* y,
                                         Resize s, float identity, int rows) {
  if (PAM_PACK > 1 && !s.last)
    gate_columns<true>(f, logits, shortcut, y, s, identity, rows);
  else
    gate_columns<false>(f, logits, shortcut, y, s, identity, rows);
}

template <bool Wide>
__device__ inline void gate_columns_backward(const Element* f, const Element* logits, const Element* shortcut,
                                             const Element* dy, Element* df, Element* dshortcut, Element* columns,
                                             const Resize& s, float identity, int rows) {
  struct Given {
    Gate gate;
    Pack dy;
  };
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= packs_across(s) * s.channels) return;
  const int groups = gridDim.y, first = blockIdx.y * rows, last = first + rows < s.h ? first + rows : s.h;
  const Column column = column_of(i, s.channels, s, blockIdx.z, s.channels, 0, s.height),
               sums = column_of(i, s.channels, s, blockIdx.z, s.channels, 0, s.h + groups);
  const Pack *in = (const Pack*)f + column.at, *added = (const Pack*)shortcut + column.at,
             *up = (const Pack*)dy + column.at;
  Pack *down = (Pack*)df + column.at, *beside = (Pack*)dshortcut + (dshortcut ? column.at : 0),
       *out = (Pack*)columns + sums.at;
  const auto load = [&](unsigned at) {
    Given g{{in[at * column.step]}, up[at * column.step]};
    g.gate.shortcut = shortcut == f ? g.gate.f : added[at * column.step];
    return g;
  };
  float own[PAM_PACK], next[PAM_PACK] = {0};
  const int y = first_reader(first, axis_scale(s.h, s.height), s.h, s.height);
  walk(
      Small<Wide>(logits, s, blockIdx.z, column), s, first, last, y, s.height,
      [&](int) {
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) {
          own[k] = next[k];
          next[k] = 0;
        }
      },
      [&](unsigned at, const float(&a)[PAM_PACK], float weight) {
        const Given now = load(at);
        float v[PAM_PACK], q[PAM_PACK], g[PAM_PACK];
        unpack(now.gate.f, v);
        unpack(now.gate.shortcut, q);
        unpack(now.dy, g);
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) {
          const float t = sigmoid(a[k] + q[k]), direct = g[k] * (t + identity), d = g[k] * v[k] * t * (1.f - t);
          own[k] += (1.f - weight) * d;
          next[k] += weight * d;
          q[k] = d;
          v[k] = dshortcut ? direct : direct + d;
        }
        down[at * column.step] = packed(v);
        if (dshortcut) beside[at * column.step] = packed(q);
      },
      [&](int at) {
#pragma unroll
        for (int k = 0; k < PAM_PACK; ++k) {
          if (at == s.h - 1) own[k] += next[k];
        }
        out[at * sums.step] = packed(own);
      });
  if (last < s.h) out[(s.h + blockIdx.y) * sums.step] = packed(next);
}

// `rows` of the logits a block. dshortcut null: the shortcut is f, and df holds both. columns: the logits' gradient,
// summed down the rows but not yet across them: s.h rows of the large map's width, then one row per block, which belongs
// to the first row of the next.
extern "C" __global__ void upsample_gate_backward(const Element* f, const Element* logits, const Element* shortcut,
                                                  const Element* dy, Element* df, Element* dshortcut, Element* columns,
                                                  Resize s, float identity, int rows) {
  if (PAM_PACK > 1 && !s.last)
    gate_columns_backward<true>(f, logits, shortcut, dy, df, dshortcut, columns, s, identity, rows);
  else
    gate_columns_backward<false>(f, logits, shortcut, dy, df, dshortcut, columns, s, identity, rows);
}

// The second half: across the rows. A thread a pack of the small map. Contiguous: packs of one.
extern "C" __global__ void upsample_gate_across(const Element* columns, Element* dlogits, Resize s, int rows,
                                                int groups) {
  const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x, across = s.channels * s.w, i = thread % across;
  const int at = thread / across, all = s.h + groups;
  if (at >= s.h) return;
  const long long sample = blockIdx.z;
  const unsigned c = s.last ? i % s.channels : i / s.w, x = s.last ? i / s.channels : i % s.w;
  const unsigned pixel = s.last ? s.channels : 1, step = s.width * pixel;
  const Pack* from = (const Pack*)columns + (s.last ? sample * all * s.width * s.channels + c
                                                    : (sample * s.channels + c) * all * s.width);
  const float scale = axis_scale(s.w, s.width);
  const Readers r = readers_of(x, scale, s.width);
  float g[PAM_PACK] = {0};
  gather(from + at * step, r, pixel, scale, x, g);
  if (at > 0 && at % rows == 0) gather(from + (s.h + at / rows - 1) * step, r, pixel, scale, x, g);
  ((Pack*)dlogits)[s.last ? ((sample * s.h + at) * s.w + x) * s.channels + c
                          : ((sample * s.channels + c) * s.h + at) * s.w + x] = packed(g);
}
)PAM";

}  // namespace pam::kernels::cuda
