// SPDX-License-Identifier: MIT
/// The effective receptive field of any block or network: how strongly each input pixel moves the centre of the output.
/// Luo, Li, Urtasun, Zemel, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks", NIPS
/// 2016, https://arxiv.org/abs/1701.04128. The paper makes two claims about it: dilation widens the field of an encoder
/// block (FPA), and pooling the residual branch narrows it (RFNA).
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/seed.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

namespace pam {

struct ReceptiveFieldOptions {
  std::int64_t in_channels = 1;  ///< channels of the input
  std::int64_t size = 160;       ///< side of the square input, in pixels
  std::int64_t samples = 16;     ///< random inputs (standard normal) to average over
  std::uint64_t seed = 0;        ///< seed of those inputs
};

/// A receptive field as a map over the input.
class ReceptiveField {
 public:
  /// `energy`: (H, W), non-negative; `row`, `column`: the input pixel that the field is about.
  ReceptiveField(const torch::Tensor& energy, double row, double column) : row_(row), column_(column) {
    const auto wide = energy.to(torch::kCPU, torch::kDouble);
    const auto total = wide.sum().item<double>();
    check(
        std::isfinite(total),
        "ReceptiveField: the gradients are NaN or infinite, so there is nothing to measure; the weights are too large");
    check(total > 0,
          "ReceptiveField: the centre of the output does not depend on the input (energy {}); nothing to measure",
          total);
    energy_ = (wide / total).contiguous();
  }

  /// (H, W) float64, sums to 1.
  [[nodiscard]] const torch::Tensor& energy() const { return energy_; }

  /// The radius in input pixels of the disc around the centre that holds `share` of the energy (0 < share <= 1).
  [[nodiscard]] double radius(double share) const {
    check(share > 0 && share <= 1, "ReceptiveField: share must be in (0, 1], got {}", share);
    std::vector<std::pair<double, double>> pixels;  // distance, energy
    const auto map = energy_.accessor<double, 2>();
    for (std::int64_t y = 0; y < map.size(0); ++y) {
      for (std::int64_t x = 0; x < map.size(1); ++x) {
        pixels.emplace_back(std::hypot(static_cast<double>(y) - row_, static_cast<double>(x) - column_), map[y][x]);
      }
    }
    std::sort(pixels.begin(), pixels.end());
    double sum = 0;
    for (const auto& [distance, value] : pixels) {
      sum += value;
      if (sum >= share * (1 - 1e-12)) return distance;  // the shares' sum may round to just below 1
    }
    return pixels.back().first;
  }

 private:
  torch::Tensor energy_;
  double row_, column_;
};

/// Measures `forward`, any map (1, C, size, size) -> (1, K, h, w): the squared gradient of the centre output pixel with
/// respect to the input, with a random sign for each output channel, summed over input channels and averaged over
/// `samples` random inputs. Squared, it is an energy: shares of it add up, and signs do not cancel between inputs.
inline ReceptiveField receptive_field(const std::function<torch::Tensor(const torch::Tensor&)>& forward,
                                      const ReceptiveFieldOptions& options) {
  check(options.in_channels > 0 && options.size > 0 && options.samples > 0,
        "receptive_field: in_channels, size and samples must be positive, got {}, {} and {}", options.in_channels,
        options.size, options.samples);
  SeedScope scope(options.seed);
  torch::AutoGradMode grad_mode(true);
  torch::Tensor energy;
  double row = 0, column = 0;
  for (std::int64_t i = 0; i < options.samples; ++i) {
    auto x = torch::randn({1, options.in_channels, options.size, options.size}).requires_grad_();
    const auto y = forward(x);
    check(y.dim() == 4 && y.size(0) == 1, "receptive_field: the output must be (1, K, H, W), got {}", shape_string(y));
    const auto h = y.size(2) / 2, w = y.size(3) / 2;
    const auto signs = torch::randint(0, 2, {y.size(1)}).mul(2).sub(1).to(y.scalar_type());
    const auto centre = (y.select(2, h).select(2, w)[0] * signs).sum();
    const auto gradient = torch::autograd::grad({centre}, {x}, {}, /*retain_graph=*/false, /*create_graph=*/false,
                                                /*allow_unused=*/true)[0];
    check(gradient.defined(), "receptive_field: the output does not depend on the input; nothing to measure");
    const auto squared = gradient[0].to(torch::kDouble).square().sum(0);
    energy = energy.defined() ? energy + squared : squared;
    // Convolutions with padding (k - 1) / 2 centre output pixel i at input pixel i * stride.
    row = static_cast<double>(h) * static_cast<double>((options.size + y.size(2) - 1) / y.size(2));
    column = static_cast<double>(w) * static_cast<double>((options.size + y.size(3) - 1) / y.size(3));
  }
  return {energy, row, column};
}

}  // namespace pam
