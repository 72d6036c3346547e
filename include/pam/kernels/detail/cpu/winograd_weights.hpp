// SPDX-License-Identifier: MIT
/// A layer's weights as Winograd's convolution takes them, and the checksum by which it is seen that they have changed.
#pragma once

#include <pam/kernels/detail/cpu/tensors.hpp>
#include <pam/kernels/detail/cpu/winograd_points.hpp>

#include <array>
#include <cstring>
#include <vector>

namespace pam::kernels::cpu {

/// 64 lanes, each of which mixes every 64th number into 32 bits: any single change shows, several cancel by chance
/// only.
struct Checksum {
  static constexpr std::int64_t kLanes = 64;
  typedef std::uint32_t Bits __attribute__((vector_size(64)));
  typedef std::uint32_t Unaligned __attribute__((vector_size(64), aligned(4), may_alias));

  static PAM_INLINE void run(const float* x, std::int64_t n, std::uint32_t* lanes) {
    Bits sums[4];
    for (int i = 0; i < 4; ++i) sums[i] = *reinterpret_cast<const Unaligned*>(lanes + 16 * i);
    for (std::int64_t at = 0; at + kLanes <= n; at += kLanes) {
      PAM_UNROLL for (int i = 0; i < 4; ++i) {
        const Bits mixed = sums[i] ^ *reinterpret_cast<const Unaligned*>(x + at + 16 * i);
        sums[i] = ((mixed << 13) | (mixed >> 19)) * 2654435761u;
      }
    }
    for (int i = 0; i < 4; ++i) *reinterpret_cast<Unaligned*>(lanes + 16 * i) = sums[i];
  }
};

/// The numbers and the layout of weights at one time.
struct WeightsKey {
  std::vector<std::int64_t> sizes, strides;
  std::array<std::uint32_t, Checksum::kLanes> checksum{};

  explicit WeightsKey(const torch::Tensor& weight) : sizes(weight.sizes().vec()), strides(weight.strides().vec()) {
    const auto dense = weight.is_contiguous(layout_of(weight)) ? weight : weight.contiguous();
    const auto* data = dense.data_ptr<float>();
    const auto whole = dense.numel() / Checksum::kLanes * Checksum::kLanes;
    constexpr std::int64_t part = 1 << 15;
    const auto parts = (whole + part - 1) / part;
    std::vector<std::uint32_t> sums(static_cast<std::size_t>(parts * Checksum::kLanes));
    parallel(parts, part, [&](std::int64_t first, std::int64_t last) {
      for (auto i = first; i < last; ++i) {
        vectorized<Checksum>(data + i * part, std::min(part, whole - i * part), sums.data() + i * Checksum::kLanes);
      }
    });
    vectorized<Checksum>(reinterpret_cast<const float*>(sums.data()), parts * Checksum::kLanes, checksum.data());
    std::array<float, Checksum::kLanes> rest{};
    std::memcpy(rest.data(), data + whole, static_cast<std::size_t>(dense.numel() - whole) * sizeof(float));
    vectorized<Checksum>(static_cast<const float*>(rest.data()), Checksum::kLanes, checksum.data());
  }
  bool operator==(const WeightsKey& other) const {
    return checksum == other.checksum && sizes == other.sizes && strides == other.strides;
  }
};

/// How a convolution is computed.
enum class WinogradKind { Tiles4, Tiles5, Stride2 };

/// `f` called with the points of `kind`.
template <typename F>
auto with_points(WinogradKind kind, const F& f) {
  return kind == WinogradKind::Tiles4   ? f(WinogradPoints{})
         : kind == WinogradKind::Tiles5 ? f(LargeWinogradPoints{})
                                        : f(StridedWinogradPoints{});
}

/// That of x (N, C, H, W): with stride 1 tiles of the size that needs fewer products. A tile at the border may have
/// outputs that nobody wants.
inline WinogradKind winograd_kind(at::IntArrayRef x, std::int64_t stride) {
  if (stride == 2) return WinogradKind::Stride2;
  const auto products = [&](auto points) {
    constexpr std::int64_t side = decltype(points)::kOut;
    return (x[2] + side - 1) / side * ((x[3] + side - 1) / side) * decltype(points)::kCount;
  };
  return products(LargeWinogradPoints{}) < products(WinogradPoints{}) ? WinogradKind::Tiles5 : WinogradKind::Tiles4;
}

/// G g G^T for every pair of channels, as WinogradTiles reads them.
class WinogradWeights {
 public:
  /// Of `weight`, float32 (K, C, 3, 3), or with `turned` of the convolution that computes the gradient of an input of
  /// stride 1: turned by half a circle, inputs for outputs.
  WinogradWeights(const torch::Tensor& weight, WinogradKind kind_, bool turned)
      : in_channels(weight.size(turned ? 0 : 1)),
        out_channels(weight.size(turned ? 1 : 0)),
        kind(kind_),
        u_(with_points(kind, [&](auto points) { return transform<decltype(points)>(weight, turned); })) {}

  [[nodiscard]] const float* data() const { return u_.data(); }
  std::int64_t in_channels, out_channels;
  WinogradKind kind;

 private:
  template <typename Points>
  [[nodiscard]] Scratch transform(const torch::Tensor& weight, bool turned) const {
    Scratch u(Points::kCount * point_stride(in_channels, whole_panels(out_channels)));
    const auto w = weight.stride(2) == 3 * weight.stride(3) ? weight : weight.contiguous();
    const auto* data = w.data_ptr<float>();
    const auto tap = w.stride(3);
    const auto taps = turned ? Taps{data + 8 * tap, w.stride(1), w.stride(0), -tap, in_channels, out_channels}
                             : Taps{data, w.stride(0), w.stride(1), tap, in_channels, out_channels};
    constexpr std::int64_t part = 32;  // input channels
    const auto parts = (in_channels + part - 1) / part;
    const bool large = isa() == Isa::Avx512;
    parallel(whole_panels(out_channels) / kPanel * parts, Points::kCount * kPanel * part,
             [&](std::int64_t first, std::int64_t last) {
               for (auto i = first; i < last; ++i) {
                 const auto panel = i / parts, from = i % parts * part, to = std::min(from + part, in_channels);
                 large ? run_avx512<TransformTaps<Lanes16, Points>>(&taps, panel, from, to, u.data())
                       : run_avx2<TransformTaps<Lanes8, Points>>(&taps, panel, from, to, u.data());
               }
             });
    return u;
  }

  Scratch u_;
};

/// The transformed weights of a forward pass and what they were made from.
struct CachedWeights {
  WeightsKey key;
  WinogradWeights weights;
};

}  // namespace pam::kernels::cpu
