// SPDX-License-Identifier: MIT
/// A layer's weights as Winograd's convolution takes them, and the checksum by which it is seen that they have changed.
#pragma once

#include <pam/kernels/detail/cpu/tensors.hpp>
#include <pam/kernels/detail/cpu/winograd.hpp>

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
    std::array<float, Checksum::kLanes> rest{};
    std::memcpy(rest.data(), data + whole, static_cast<std::size_t>(dense.numel() - whole) * sizeof(float));
    vectorized<Checksum>(data, whole, checksum.data());
    vectorized<Checksum>(static_cast<const float*>(rest.data()), Checksum::kLanes, checksum.data());
  }
  bool operator==(const WeightsKey& other) const {
    return checksum == other.checksum && sizes == other.sizes && strides == other.strides;
  }
};

/// G g G^T for every pair of channels, as WinogradTiles reads them.
class WinogradWeights {
 public:
  /// Of `weight`, float32 (K, C, 3, 3), or with `turned` of the convolution that computes the input's gradient: turned
  /// by half a circle, inputs for outputs.
  WinogradWeights(const torch::Tensor& weight, bool turned)
      : in_channels(weight.size(turned ? 0 : 1)),
        out_channels(weight.size(turned ? 1 : 0)),
        u_(WinogradPoints::kCount * point_stride(in_channels, whole_panels(out_channels))) {
    const auto w = weight.stride(2) == 3 * weight.stride(3) ? weight : weight.contiguous();
    const auto* data = w.data_ptr<float>();
    const auto tap = w.stride(3);
    const auto taps = turned ? Taps{data + 8 * tap, w.stride(1), w.stride(0), -tap, in_channels, out_channels}
                             : Taps{data, w.stride(0), w.stride(1), tap, in_channels, out_channels};
    constexpr std::int64_t part = 32;  // input channels
    const auto parts = (in_channels + part - 1) / part;
    const bool large = isa() == Isa::Avx512;
    parallel(whole_panels(out_channels) / kPanel * parts, WinogradPoints::kCount * kPanel * part,
             [&](std::int64_t first, std::int64_t last) {
               for (auto i = first; i < last; ++i) {
                 const auto panel = i / parts, from = i % parts * part, to = std::min(from + part, in_channels);
                 large ? run_avx512<TransformTaps<Lanes16>>(&taps, panel, from, to, u_.data())
                       : run_avx2<TransformTaps<Lanes8>>(&taps, panel, from, to, u_.data());
               }
             });
  }

  [[nodiscard]] const float* data() const { return u_.data(); }
  std::int64_t in_channels, out_channels;

 private:
  Scratch u_;
};

/// The transformed weights of a forward pass and what they were made from.
struct CachedWeights {
  WeightsKey key;
  WinogradWeights weights;
};

}  // namespace pam::kernels::cpu
