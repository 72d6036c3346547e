// SPDX-License-Identifier: MIT
/// Gather-excite (GE) with learnt gathering: "Gather-Excite: Exploiting Feature Context in Convolutional Neural
/// Networks", Hu, Shen, Albanie, Sun, Vedaldi, NeurIPS 2018, https://arxiv.org/abs/1810.12348.
/// Strided depth-wise convolutions gather each channel's surroundings; the result is a gate per region.
///
///     Y = X * A (+ X),   A = sigmoid(nearest upsampling of G(...G(X))),   G = depth-wise 3x3, stride 2, norm
///
///     X --+--> G --> (ReLU) --> G --> nearest, to X's size --> sigmoid --> A --+
///         +-------------------------------------------------------------------(*)--(+ X)--> Y      (extent 4: two G)
#pragma once

#include <pam/attention/detail/reduction.hpp>
#include <pam/core/inspect.hpp>
#include <pam/core/module.hpp>
#include <pam/core/options.hpp>
#include <pam/kernels/gate.hpp>

#include <string>
#include <vector>

namespace pam {

/// The norm after each of GE's convolutions.
enum class GatherNorm {
  Instance,  ///< affine, no running statistics
  Batch,     ///< affine, with running statistics
};
inline const char* to_string(GatherNorm value) { return value == GatherNorm::Instance ? "instance" : "batch"; }
inline const char* option_names(GatherNorm) { return "\"instance\" or \"batch\""; }
inline bool from_string(const std::string& name, GatherNorm& value) {
  if (name != "instance" && name != "batch") return false;
  value = name == "instance" ? GatherNorm::Instance : GatherNorm::Batch;
  return true;
}

struct GatherExciteOptions {
  GatherExciteOptions() = default;
  explicit GatherExciteOptions(std::int64_t channels) : channels_(channels) {}
  TORCH_ARG(std::int64_t, channels) = 0;
  /// How many times smaller the gathered map is: 2, 4, 8, …; log2(extent) convolutions. Default: 4.
  TORCH_ARG(std::int64_t, extent) = 4;
  /// The norm after each convolution.
  TORCH_ARG(GatherNorm, norm) = GatherNorm::Instance;
  /// ReLU between the convolutions (never after the last).
  TORCH_ARG(bool, relu) = false;
  /// Y = X * A + X; false: Y = X * A.
  TORCH_ARG(bool, residual) = true;

 public:  // TORCH_ARG ends in private:
  /// As the paper's authors built it. The default.
  GatherExciteOptions& paper() { return extent(4).norm(GatherNorm::Instance).relu(false).residual(true); }
  /// GE-theta as Hu et al. describe it, at the same extent.
  GatherExciteOptions& original() { return extent(4).norm(GatherNorm::Batch).relu(true).residual(false); }

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("channels", self.channels_);
    field("extent", self.extent_);
    field("norm", self.norm_);
    field("relu", self.relu_);
    field("residual", self.residual_);
  }
};

/// (N, channels, H, W) -> the same shape. With instance norms the gathered map must have more than one pixel.
/// Throws `Error` for an `extent` that is no power of two from 2 to 64; `forward` for another shape and a smaller map.
class GatherExciteImpl final : public torch::nn::Cloneable<GatherExciteImpl>, public Inspectable {
 public:
  using Options = GatherExciteOptions;

  explicit GatherExciteImpl(const GatherExciteOptions& options_) : options(options_) { reset(); }

  void reset() override {
    const auto channels = options.channels(), extent = options.extent();
    check(channels > 0, "GatherExcite: channels must be positive, got {}", channels);
    check(extent >= 2 && extent <= 64 && (extent & (extent - 1)) == 0,
          "GatherExcite: extent must be 2, 4, 8, 16, 32 or 64, got {}", extent);
    gather.clear(), instance_norms.clear(), batch_norms.clear();
    for (std::int64_t step = 1; (std::int64_t{1} << step) <= extent; ++step) {
      gather.push_back(this->register_module(
          "gather" + std::to_string(step),
          torch::nn::Conv2d(
              torch::nn::Conv2dOptions(channels, channels, 3).stride(2).padding(1).groups(channels).bias(false))));
      const auto name = "norm" + std::to_string(step);
      if (options.norm() == GatherNorm::Batch) {
        batch_norms.push_back(this->register_module(name, torch::nn::BatchNorm2d(channels)));
      } else {
        instance_norms.push_back(this->register_module(
            name, torch::nn::InstanceNorm2d(torch::nn::InstanceNorm2dOptions(channels).affine(true))));
      }
    }
  }

  torch::Tensor forward(const torch::Tensor& input) {
    check_nchw(input, options.channels(), "GatherExcite");
    auto y = input;
    for (std::size_t i = 0; i < gather.size(); ++i) {
      if (i > 0 && options.relu()) y = torch::relu(y);
      y = gather[i](y);
      y = batch_norms.empty()
              ? detail::checked_instance_norm(y, instance_norms[i]->weight, instance_norms[i]->bias, "GatherExcite")
              : batch_norms[i](y);
    }
    const auto logits = at::upsample_nearest2d(y, input.sizes().slice(2));
    const auto output = kernels::reference::gate(input, logits, options.residual());
    if (inspecting()) keep(torch::sigmoid(logits), input, output);
    return output;
  }

  /// The smallest input side whose gathered map has more than one pixel.
  [[nodiscard]] std::int64_t min_size() const { return batch_norms.empty() ? options.extent() + 1 : 1; }

  void pretty_print(std::ostream& stream) const override { print_options(stream, "GatherExcite", options, 1); }

  GatherExciteOptions options;
  std::vector<torch::nn::Conv2d> gather;                  ///< gather1, gather2, …
  std::vector<torch::nn::InstanceNorm2d> instance_norms;  ///< one per convolution, or none
  std::vector<torch::nn::BatchNorm2d> batch_norms;        ///< one per convolution, or none
};

PAM_MODULE(GatherExcite);

}  // namespace pam
