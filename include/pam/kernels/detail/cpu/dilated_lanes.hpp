// SPDX-License-Identifier: MIT
/// FPA's branch D(D(x)) on 8 or 16 channels of a channels-last tensor at a time, one in each lane of a vector: taps and
/// norms differ from lane to lane, so nothing is shifted or transposed. The channels' plane, pixel after pixel, stays
/// in the cache through all steps (docs/design.md, "Kernels": plane fusion).
///
/// A convolution of dilation d writes the rows y, y + d, y + 2 d, ... one after the other, so that each row of its
/// input is made once (read, normalised or expanded, as the step says), right before three convolved rows need it.
/// Three such rows lie in a ring in the first cache; the output may therefore take the input's place in the plane.
#pragma once

#include <pam/kernels/detail/cpu/lanes.hpp>
#include <pam/kernels/detail/cpu/norm_plane.hpp>

#include <algorithm>
#include <utility>

namespace pam::kernels::cpu {

/// `lanes` channels of one sample of a channels-last tensor, float32 or bfloat16, at most a vector of them: rows into
/// vectors and back. A plane of a vector of channels is such a tensor, too.
template <typename Lanes>
struct LaneTensor {
  using Vectors = LaneVectors<Lanes>;
  static constexpr std::int64_t kLanes = Vectors::kLanes;
  using Unaligned = typename Lanes::Unaligned;

  void* data;  ///< the first channel of the first pixel
  bool narrow;
  std::int64_t width, channels, lanes;

  /// Row y as vectors: in `row`, or where it is such in memory already.
  PAM_INLINE const float* read(std::int64_t y, float* row) const {
    const auto at = y * width * channels;
    if (narrow) {
      read(static_cast<const at::BFloat16*>(data) + at, row);
      return row;
    }
    const auto* from = static_cast<const float*>(data) + at;
    if (channels == kLanes && reinterpret_cast<std::uintptr_t>(from) % sizeof(typename Lanes::Vector) == 0) return from;
    if (lanes < kLanes) {
      read(from, row);
      return row;
    }
    for (std::int64_t i = 0; i < width; ++i) {
      Vectors::vector(row + i * kLanes) = *reinterpret_cast<const Unaligned*>(from + i * channels);
    }
    return row;
  }

  PAM_INLINE void write(std::int64_t y, const float* row) const {
    const auto at = y * width * channels;
    if (narrow) return write(row, static_cast<at::BFloat16*>(data) + at);
    auto* to = static_cast<float*>(data) + at;
    if (lanes < kLanes) return write(row, to);
    for (std::int64_t i = 0; i < width; ++i) {
      *reinterpret_cast<Unaligned*>(to + i * channels) = Vectors::vector(row + i * kLanes);
    }
  }

 private:
  template <typename T>
  PAM_INLINE void read(const T* from, float* row) const {
    for (std::int64_t i = 0; i < width; ++i, from += channels, row += kLanes) {
      if (lanes < kLanes) {
        for (std::int64_t k = 0; k < kLanes; ++k) row[k] = k < lanes ? load(from + k) : 0.f;
      } else {
        PAM_SIMD_LANES(8) for (std::int64_t k = 0; k < kLanes; ++k) row[k] = load(from + k);
      }
    }
  }
  template <typename T>
  PAM_INLINE void write(const float* row, T* to) const {
    for (std::int64_t i = 0; i < width; ++i, to += channels, row += kLanes) {
      if (lanes < kLanes) {
        for (std::int64_t k = 0; k < lanes; ++k) store(to + k, row[k]);
      } else {
        PAM_SIMD_LANES(8) for (std::int64_t k = 0; k < kLanes; ++k) store(to + k, row[k]);
      }
    }
  }
};

struct LaneShape {
  LaneShape(std::int64_t height_, std::int64_t width_, std::int64_t dilation)
      : height(height_), width(width_), down(std::min(dilation, height_)), across(std::min(dilation, width_)) {}
  [[nodiscard]] std::int64_t pixels() const { return height * width; }

  std::int64_t height, width;
  std::int64_t down, across;  ///< the dilation; a tap further away than the plane's size is outside of it anyway
};

/// A step's weights: nine taps, row by row, of all lanes; weight and bias of the norm.
template <typename Lanes>
struct LaneStep {
  static constexpr std::int64_t kLanes = Lanes::kCount;
  static constexpr auto kWidth = static_cast<std::size_t>(kLanes);
  /// Of the channels [first, first + lanes); taps (C, 9) and norm (C, 2).
  LaneStep(const float* all_taps, const float* norms, std::int64_t first, std::int64_t lanes) {
    std::fill_n(taps, 9 * kLanes, 0.f);
    std::fill_n(weight, kLanes, 0.f), std::fill_n(bias, kLanes, 0.f);
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      for (int k = 0; k < 9; ++k) taps[k * kLanes + lane] = all_taps[9 * (first + lane) + k];
      weight[lane] = norms[2 * (first + lane)], bias[lane] = norms[2 * (first + lane) + 1];
    }
  }
  alignas(64) float taps[9 * kWidth];
  float weight[kWidth], bias[kWidth];
};

/// Affine and Moments of every lane.
template <typename Lanes>
struct LaneNorm {
  static constexpr std::int64_t kLanes = Lanes::kCount;
  static constexpr auto kWidth = static_cast<std::size_t>(kLanes);
  alignas(64) float scale[kWidth];
  alignas(64) float shift[kWidth];
  alignas(64) float mean[kWidth];
  float rstd[kWidth];

  PAM_INLINE void set(std::int64_t lane, Moments m, const LaneStep<Lanes>& step) {
    const auto a = affine_of(m, step.weight[lane], step.bias[lane]);
    scale[lane] = a.scale, shift[lane] = a.shift, mean[lane] = m.mean, rstd[lane] = m.rstd;
  }
  [[nodiscard]] PAM_INLINE Moments moments(std::int64_t lane) const { return {mean[lane], rstd[lane]}; }
};

/// NormSlope of every lane.
template <typename Lanes>
struct LaneSlope {
  static constexpr std::int64_t kLanes = Lanes::kCount;
  static constexpr auto kWidth = static_cast<std::size_t>(kLanes);
  alignas(64) float mean_g[kWidth];
  alignas(64) float slope[kWidth];
};

template <typename Lanes>
class DilatedLanes {
  using Vectors = LaneVectors<Lanes>;
  using Vector = typename Vectors::Vector;
  using Wide = typename Vectors::Wide;
  static constexpr std::int64_t kLanes = Vectors::kLanes;
  static constexpr auto kWidth = static_cast<std::size_t>(kLanes);  ///< for the sizes of arrays
  /// Sums are float32 for at least this many pixels (or a row) and float64 from there on: see kSumChunk.
  static constexpr std::int64_t kFewPixels = 64;

  static PAM_INLINE const Vector& vector(const float* p) { return Vectors::vector(p); }
  static PAM_INLINE Vector& vector(float* p) { return Vectors::vector(p); }

 public:
  using Step = LaneStep<Lanes>;
  using Norm = LaneNorm<Lanes>;
  using Tensor = LaneTensor<Lanes>;

  static std::int64_t ring(const LaneShape& s) { return 3 * s.width * kLanes; }
  static std::int64_t plane(const LaneShape& s) { return s.pixels() * kLanes; }
  /// Floats of scratch that `backward` needs; `forward` needs a ring.
  static std::int64_t backward_scratch(const LaneShape& s) { return ring(s) + 2 * s.width * kLanes + 2 * plane(s); }

  static PAM_INLINE Tensor plane_of(float* data, const LaneShape& s) { return {data, false, s.width, kLanes, kLanes}; }

  /// The second convolution of D(D(x)), still without its norm and ReLU, in the plane `out`, and both steps' norms.
  /// `source.read(y, row)` returns row y of x, which it may write to `row`.
  template <typename Source>
  static PAM_INLINE void forward(const Source& source, const LaneShape& s, const Step& first, const Step& second,
                                 float eps, float* ring, float* out, Norm* norms) {
    {
      Measure measure{s, out};
      sweep(s, first.taps, source, ring, measure);
      measure.finish(first, eps, norms[0]);
    }
    Measure measure{s, out};
    sweep(s, second.taps, Activated{out, s.width, &norms[0]}, ring, measure);
    measure.finish(second, eps, norms[1]);
  }

  /// relu(norm(x)) of `count` pixels; `out` may be x.
  static PAM_INLINE void activate(const float* x, const Norm& norm, std::int64_t count, float* out) {
    const Vector scale = vector(norm.scale), shift = vector(norm.shift);
    for (std::int64_t i = 0; i < count * kLanes; i += kLanes) {
      Vector v = vector(x + i) * scale + shift;
      Vectors::relu(v);
      vector(out + i) = v;
    }
  }

  /// Gradients of D(D(x)): `dx`, and of each of the first `lanes` lanes the 22 sums that DilatedPlaneBackward has, in
  /// sums[22 * lane]. `visit` is shown the
  /// second convolution's plane, to which D's last norm and ReLU are still to be applied.
  template <typename Visit>
  static PAM_INLINE void backward(const Tensor& x, const Tensor& dy, const Tensor& dx, const LaneShape& s,
                                  const Step& first, const Step& second, const Norm* norms, std::int64_t lanes,
                                  float* scratch, float* sums, const Visit& visit) {
    float *row = scratch + ring(s), *out_row = row + s.width * kLanes;
    float *conv1 = out_row + s.width * kLanes, *conv2 = conv1 + plane(s);
    Keep keep{s.width, conv1};
    sweep(s, first.taps, x, scratch, keep);

    MaskAndSum masked{s, conv2, dy, row, norms[1]};
    sweep(s, second.taps, Activated{conv1, s.width, &norms[0]}, scratch, masked);
    masked.flush();
    LaneSlope<Lanes> slope;
    masked.sums.finish(norms[1], lanes, s.pixels(), slope, sums + 20);
    visit(static_cast<const float*>(conv2));

    alignas(64) float turned[9 * kWidth];
    turn(second.taps, turned);
    Hidden hidden{s, conv1, conv2, norms[0]};
    sweep(s, turned, Slope</*mask=*/true>{dy, conv2, s.width, &norms[1], &slope}, scratch, hidden);
    hidden.flush();
    hidden.taps.finish(lanes, sums + 11);
    hidden.sums.finish(norms[0], lanes, s.pixels(), slope, sums + 9);

    turn(first.taps, turned);
    Input input{s.width, x, dx, row, out_row};
    sweep(s, turned, Slope</*mask=*/false>{plane_of(conv2, s), conv1, s.width, &norms[0], &slope}, scratch, input);
    input.taps.finish(lanes, sums);
  }

 private:
  /// A convolution's gradient is a convolution with the kernel turned around.
  static PAM_INLINE void turn(const float* taps, float* turned) {
    for (int k = 0; k < 9; ++k) vector(turned + k * kLanes) = vector(taps + (8 - k) * kLanes);
  }

  /// The rows of the input that a row of the output reads, at their first pixel, and their taps' places in the kernel.
  struct Rows {
    const float* data[3];
    int kernel_row[3], count;
    PAM_INLINE void add(const float* row, int place) { data[count] = row, kernel_row[count++] = place; }
  };

  /// Pixels [first, last) of a row: `Columns` columns of the kernel, from `column` on, lie inside of the plane.
  template <int RowCount, int Columns, typename Sink>
  static PAM_INLINE void segment(const Rows& rows, const float* taps, std::int64_t across, int column,
                                 std::int64_t first, std::int64_t last, Sink& sink) {
    Vector t[static_cast<std::size_t>(RowCount)][static_cast<std::size_t>(Columns)];
    Vector sums[static_cast<std::size_t>(RowCount)][static_cast<std::size_t>(Columns)];
    const float* in[static_cast<std::size_t>(RowCount)];
    PAM_UNROLL for (int r = 0; r < RowCount; ++r) {
      in[r] = rows.data[r] + (column - 1) * across * kLanes;
      PAM_UNROLL for (int c = 0; c < Columns; ++c) {
        t[r][c] = vector(taps + (3 * rows.kernel_row[r] + column + c) * kLanes);
        if constexpr (Sink::kSumsTaps) sums[r][c] = vector(sink.taps.at(rows.kernel_row[r], column + c));
      }
    }
    auto pixel = sink.pixel;  // a copy, whose vectors can stay in registers
    for (auto i = first; i < last; ++i) {
      Vector total{}, centre;
      if constexpr (Sink::kSumsTaps) pixel.centre(i, centre);
      PAM_UNROLL for (int r = 0; r < RowCount; ++r) {
        PAM_UNROLL for (int c = 0; c < Columns; ++c) {
          const Vector value = vector(in[r] + (c * across + i) * kLanes);
          total = r + c == 0 ? value * t[r][c] : total + value * t[r][c];
          if constexpr (Sink::kSumsTaps) sums[r][c] = sums[r][c] + value * centre;
        }
      }
      pixel.put(i, total);
    }
    sink.pixel = pixel;
    if constexpr (Sink::kSumsTaps) {
      PAM_UNROLL for (int r = 0; r < RowCount; ++r) {
        PAM_UNROLL for (int c = 0; c < Columns; ++c) vector(sink.taps.at(rows.kernel_row[r], column + c)) = sums[r][c];
      }
    }
  }

  template <int RowCount, typename Sink>
  static PAM_INLINE void segments(const Rows& rows, const float* taps, const LaneShape& s, Sink& sink) {
    // The left column of the kernel lies inside of the plane from pixel `left` on, the right one before pixel `right`.
    const auto left = s.across, right = s.width - s.across;
    segment<RowCount, 2>(rows, taps, s.across, 1, 0, std::min(left, right), sink);
    if (left <= right) {
      segment<RowCount, 3>(rows, taps, s.across, 0, left, right, sink);
    } else {
      segment<RowCount, 1>(rows, taps, s.across, 1, right, left, sink);
    }
    segment<RowCount, 2>(rows, taps, s.across, 0, std::max(left, right), s.width, sink);
  }

  /// Convolves a plane whose rows `source.read(y, row)` returns, and puts the result in `sink`.
  template <typename Source, typename Sink>
  static PAM_INLINE void sweep(const LaneShape& s, const float* taps, const Source& source, float* ring, Sink& sink) {
    const auto size = s.width * kLanes;
    for (std::int64_t start = 0; start < s.down; ++start) {
      float *used = ring, *next = ring + size, *free = ring + 2 * size;
      const float *above = nullptr, *middle = source.read(start, used);
      for (auto y = start; y < s.height; y += s.down) {
        const float* below = y + s.down < s.height ? source.read(y + s.down, next) : nullptr;
        Rows rows{};
        if (above != nullptr) rows.add(above, 0);
        rows.add(middle, 1);
        if (below != nullptr) rows.add(below, 2);
        sink.begin(y);
        if (rows.count == 3) {
          segments<3>(rows, taps, s, sink);
        } else if (rows.count == 2) {
          segments<2>(rows, taps, s, sink);
        } else {
          segments<1>(rows, taps, s, sink);
        }
        sink.end(y);
        above = middle, middle = below;
        auto* const oldest = free;
        free = used, used = next, next = oldest;
      }
      sink.end_of_class(start);
    }
  }

  // Sources: what `sweep` convolves.

  /// relu(norm(x)) of a plane's rows.
  struct Activated {
    const float* x;
    std::int64_t width;
    const Norm* norm;
    PAM_INLINE const float* read(std::int64_t y, float* row) const {
      activate(x + y * width * kLanes, *norm, width, row);
      return row;
    }
  };

  /// The gradient of a norm's input x from that of its output, or with `Mask` of its ReLU's output, in `up`.
  template <bool Mask>
  struct Slope {
    Tensor up;
    const float* x;
    std::int64_t width;
    const Norm* norm;
    const LaneSlope<Lanes>* sums;
    PAM_INLINE const float* read(std::int64_t y, float* row) const {
      const float *g = up.read(y, row), *in = x + y * width * kLanes;
      const Vector scale = vector(norm->scale), shift = vector(norm->shift), mean = vector(norm->mean),
                   mean_g = vector(sums->mean_g), slope = vector(sums->slope);
      for (std::int64_t i = 0; i < width * kLanes; i += kLanes) {
        const Vector v = vector(in + i);
        Vector masked = vector(g + i);
        if constexpr (Mask) {
          const Vector f = v * scale + shift;
          Vectors::keep_where_positive(f, masked);
        }
        vector(row + i) = scale * (masked - mean_g) - slope * (v - mean);
      }
      return row;
    }
  };

  // Sinks: what becomes of a convolved row. `pixel` takes the values; its sums belong to the rows since the last flush.

  /// A plane.
  struct Keep {
    static constexpr bool kSumsTaps = false;
    struct Pixel {
      float* row;
      PAM_INLINE void put(std::int64_t i, const Vector& value) { vector(row + i * kLanes) = value; }
    };
    PAM_INLINE void begin(std::int64_t y) { pixel.row = plane + y * width * kLanes; }
    PAM_INLINE void end(std::int64_t) {}
    PAM_INLINE void end_of_class(std::int64_t) {}

    std::int64_t width;
    float* plane;
    Pixel pixel{};
  };

  /// A plane and its moments, as PlaneMoments takes them: a rough mean, here of the rows 0, d, 2 d, ..., then the sums
  /// of the deviations from it and of their squares.
  struct Measure {
    static constexpr bool kSumsTaps = false;
    struct Pixel {
      float* row;
      Vector rough, sum, square;
      PAM_INLINE void put(std::int64_t i, const Vector& value) {
        vector(row + i * kLanes) = value;
        count(value);
      }
      PAM_INLINE void count(const Vector& value) {
        const Vector d = value - rough;
        sum = sum + d;
        square = square + d * d;
      }
    };

    PAM_INLINE void begin(std::int64_t y) { pixel.row = plane + y * shape.width * kLanes; }
    PAM_INLINE void end(std::int64_t) {
      pending += shape.width;
      if (pending >= kFewPixels) flush();
    }
    PAM_INLINE void end_of_class(std::int64_t start) {
      if (start > 0) return;
      flush();
      const auto rows = (shape.height + shape.down - 1) / shape.down;
      const Wide mean = deviations * (1. / static_cast<double>(rows * shape.width));
      pixel.rough = __builtin_convertvector(mean, Vector);
      deviations = squares = Wide{};
      for (std::int64_t y = 0; y < shape.height; y += shape.down) {
        begin(y);
        for (std::int64_t i = 0; i < shape.width; ++i) pixel.count(vector(pixel.row + i * kLanes));
        end(y);
      }
    }
    PAM_INLINE void finish(const Step& step, float eps, Norm& norm) {
      flush();
      alignas(128) double sums[2][kWidth];
      *reinterpret_cast<Wide*>(sums[0]) = deviations, *reinterpret_cast<Wide*>(sums[1]) = squares;
      alignas(64) float start[kWidth];
      vector(start) = pixel.rough;
      const auto n = static_cast<double>(shape.pixels());
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        const double offset = sums[0][lane] / n, variance = sums[1][lane] / n - offset * offset;
        const auto positive = variance < 0 ? 0.f : static_cast<float>(variance);  // lets NaN through
        norm.set(lane, {static_cast<float>(start[lane] + offset), rstd_of(positive, eps)}, step);
      }
    }
    PAM_INLINE void flush() {
      Vectors::add(deviations, pixel.sum), Vectors::add(squares, pixel.square);
      pixel.sum = pixel.square = Vector{};
      pending = 0;
    }

    LaneShape shape;
    float* plane;
    Pixel pixel{};
    Wide deviations{}, squares{};
    std::int64_t pending = 0;
  };

  /// What the gradient of a norm and its ReLU needs of a pixel: with x the norm's input, sums of g, which is the
  /// gradient where the ReLU's output is positive, and of g * (x - mean).
  struct NormPixel {
    Vector scale, shift, mean, sum, product;
    PAM_INLINE explicit NormPixel(const Norm& norm)
        : scale(vector(norm.scale)), shift(vector(norm.shift)), mean(vector(norm.mean)), sum{}, product{} {}
    PAM_INLINE void count(const Vector& x, Vector& gradient) {
      const Vector f = x * scale + shift;
      Vectors::keep_where_positive(f, gradient);
      sum = sum + gradient;
      product = product + gradient * (x - mean);
    }
  };

  /// Their totals.
  struct NormSums {
    Wide sum{}, product{};
    PAM_INLINE void flush(NormPixel& pixel) {
      Vectors::add(sum, pixel.sum), Vectors::add(product, pixel.product);
      pixel.sum = pixel.product = Vector{};
    }
    /// `sums[22 * lane]` and the number behind receive the gradients of the norm's weight and bias.
    PAM_INLINE void finish(const Norm& norm, std::int64_t lanes, std::int64_t pixels, LaneSlope<Lanes>& out,
                           float* sums) const {
      alignas(128) double total[2][kWidth];
      *reinterpret_cast<Wide*>(total[0]) = sum, *reinterpret_cast<Wide*>(total[1]) = product;
      const auto n = static_cast<double>(pixels);
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        const auto xhat = total[1][lane] * static_cast<double>(norm.rstd[lane]);
        out.mean_g[lane] = static_cast<float>(total[0][lane] / n);
        out.slope[lane] = norm.scale[lane] * norm.rstd[lane] * static_cast<float>(xhat / n);
        if (lane >= lanes) continue;
        sums[22 * lane] = static_cast<float>(xhat), sums[22 * lane + 1] = static_cast<float>(total[0][lane]);
      }
    }
  };

  /// Sums over a plane of each neighbour times the pixel, by the neighbour's place in the turned kernel.
  struct TapSums {
    alignas(64) float few[9 * kWidth] = {};
    alignas(128) double all[9 * kWidth] = {};

    PAM_INLINE float* at(int row, int column) { return few + (3 * row + column) * kLanes; }
    PAM_INLINE void flush() {
      for (int k = 0; k < 9; ++k) {
        Vectors::add(*reinterpret_cast<Wide*>(all + k * kLanes), vector(few + k * kLanes));
        vector(few + k * kLanes) = Vector{};
      }
    }
    PAM_INLINE void finish(std::int64_t lanes, float* sums) {
      flush();
      for (std::int64_t lane = 0; lane < lanes; ++lane) {
        for (int k = 0; k < 9; ++k) sums[22 * lane + 8 - k] = static_cast<float>(all[k * kLanes + lane]);
      }
    }
  };

  /// The second convolution again, and the sums of its norm's gradient.
  struct MaskAndSum {
    static constexpr bool kSumsTaps = false;
    struct Pixel : NormPixel {
      using NormPixel::NormPixel;
      float* row = nullptr;
      const float* gradient = nullptr;
      PAM_INLINE void put(std::int64_t i, const Vector& value) {
        vector(row + i * kLanes) = value;
        Vector g = vector(gradient + i * kLanes);
        this->count(value, g);
      }
    };

    PAM_INLINE MaskAndSum(const LaneShape& s, float* plane_, const Tensor& dy_, float* gradient_, const Norm& norm)
        : shape(s), plane(plane_), gradient(gradient_), dy(dy_), pixel(norm) {}
    PAM_INLINE void begin(std::int64_t y) {
      pixel.row = plane + y * shape.width * kLanes;
      pixel.gradient = dy.read(y, gradient);
    }
    PAM_INLINE void end(std::int64_t) {
      pending += shape.width;
      if (pending >= kFewPixels) flush();
    }
    PAM_INLINE void end_of_class(std::int64_t) {}
    PAM_INLINE void flush() {
      sums.flush(pixel);
      pending = 0;
    }

    LaneShape shape;
    float *plane, *gradient;
    Tensor dy;
    Pixel pixel;
    NormSums sums{};
    std::int64_t pending = 0;
  };

  /// The gradient of the first norm's output, and the sums of that norm's and of the second kernel's gradients.
  struct Hidden {
    static constexpr bool kSumsTaps = true;
    struct Pixel : NormPixel {
      using NormPixel::NormPixel;
      float* row = nullptr;
      const float* x = nullptr;
      PAM_INLINE void centre(std::int64_t i, Vector& value) {
        value = vector(x + i * kLanes) * this->scale + this->shift;
        Vectors::relu(value);
      }
      PAM_INLINE void put(std::int64_t i, const Vector& value) {
        const Vector v = vector(x + i * kLanes);
        Vector g = value;
        this->count(v, g);
        vector(row + i * kLanes) = g;
      }
    };

    PAM_INLINE Hidden(const LaneShape& s, const float* conv_, float* plane_, const Norm& norm)
        : shape(s), conv(conv_), plane(plane_), pixel(norm) {}
    PAM_INLINE void begin(std::int64_t y) {
      const auto at = y * shape.width * kLanes;
      pixel.row = plane + at, pixel.x = conv + at;
    }
    PAM_INLINE void end(std::int64_t) {
      pending += shape.width;
      if (pending >= kFewPixels) flush();
    }
    PAM_INLINE void end_of_class(std::int64_t) {}
    PAM_INLINE void flush() {
      sums.flush(pixel), taps.flush();
      pending = 0;
    }

    LaneShape shape;
    const float* conv;
    float* plane;
    Pixel pixel;
    NormSums sums{};
    TapSums taps{};
    std::int64_t pending = 0;
  };

  /// dx, and the sums of the first kernel's gradient.
  struct Input {
    static constexpr bool kSumsTaps = true;
    struct Pixel {
      const float* in;
      float* out;
      PAM_INLINE void centre(std::int64_t i, Vector& value) { value = vector(in + i * kLanes); }
      PAM_INLINE void put(std::int64_t i, const Vector& value) { vector(out + i * kLanes) = value; }
    };

    PAM_INLINE void begin(std::int64_t y) { pixel = {x.read(y, in), out}; }
    PAM_INLINE void end(std::int64_t y) {
      dx.write(y, out);
      pending += width;
      if (pending < kFewPixels) return;
      taps.flush();
      pending = 0;
    }
    PAM_INLINE void end_of_class(std::int64_t) {}

    std::int64_t width;
    Tensor x, dx;
    float *in, *out;
    Pixel pixel{};
    TapSums taps{};
    std::int64_t pending = 0;
  };
};

}  // namespace pam::kernels::cpu
