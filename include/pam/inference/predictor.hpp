// SPDX-License-Identifier: MIT
/// `Predictor`: masks and probabilities of images, prepared as in training.
///
///     const pam::Predictor predictor("fpa.safetensors");
///     torch::Tensor mask = predictor.labels(scan);  // scan: (C, H, W) or (C, D, H, W), intensities as stored
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/precision.hpp>
#include <pam/core/reversible.hpp>
#include <pam/images/case.hpp>
#include <pam/images/case_options.hpp>
#include <pam/inference/load_network.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace pam {

/// How a `Predictor` computes.
struct PredictorOptions {
  torch::Device device = torch::kCPU;        ///< the net is moved there
  Precision precision = Precision::Float32;  ///< of the net; probabilities are float32
  bool channels_last = true;                 ///< memory layout of weights and images: pam's kernels are fastest in it
  std::int64_t batch = 4;                    ///< planes (slices, or windows of them) at once
  std::int64_t window = 0;  ///< side of sliding windows; 0: whole planes up to `max_plane_pixels`, else 512
  std::int64_t max_plane_pixels = 1 << 20;  ///< pixels of a plane that is taken whole, where `window` is 0
  double overlap = 0.5;                     ///< share of a window that the next one covers too, below 1
  bool flip = false;                        ///< mean over the plane and its three mirror images
  double threshold = 0.5;  ///< `labels` of binary nets: the probability above which a pixel is foreground
};

namespace detail {

/// A net as `Predictor` needs it, whatever its type.
struct PredictorNet {
  std::shared_ptr<torch::nn::Module> module;
  std::function<torch::Tensor(const torch::Tensor&)> forward;  ///< (N, C, H, W) -> logits (N, K, H, W)
  bool reversed = false;
  std::int64_t in_channels = 0;  ///< 0: it does not say
  std::int64_t min_size = 1;
};

template <typename Net, typename = void>
struct says_min_size : std::false_type {};
template <typename Net>
struct says_min_size<Net, std::void_t<decltype(std::declval<const Net&>()->min_size())>> : std::true_type {};
template <typename Net, typename = void>
struct says_in_channels : std::false_type {};
template <typename Net>
struct says_in_channels<Net, std::void_t<decltype(std::declval<const Net&>()->options.in_channels())>>
    : std::true_type {};

inline PredictorNet predictor_net(const Network& net) {
  return {net.ptr(), [net](const torch::Tensor& x) { return net(x); }, net.reversed(), net.in_channels(),
          net.min_size()};
}
template <typename Net>
PredictorNet predictor_net(const Net& net) {
  check(!net.is_empty(), "Predictor: the net is an empty module holder");
  PredictorNet erased;
  const auto module = net.ptr();
  erased.module = module;
  erased.forward = [module](const torch::Tensor& x) { return module->forward(x); };
  erased.reversed = reversed_of(net).value_or(false);
  if constexpr (says_in_channels<Net>::value) erased.in_channels = net->options.in_channels();
  if constexpr (says_min_size<Net>::value) erased.min_size = net->min_size();
  return erased;
}

}  // namespace detail

/// A trained net with the preparation of its images. All of its functions are const, keep nothing between calls and
/// build no graph for autograd, whatever the caller's grad mode: one object serves any number of threads at once.
/// (LibTorch computes each call with the calling thread's settings; in float32 on a CPU with a fixed number of threads
/// every call gives the same bits.) It shares the net with the caller: do not train, move or inspect it meanwhile.
class Predictor {
 public:
  /// Called with (done, total) after every batch of planes or windows. An exception from it ends the prediction.
  using Progress = std::function<void(std::int64_t, std::int64_t)>;

  /// Takes a net (`Network`, `UNet`, or a module holder of your own whose forward maps (N, C, H, W) to logits) on to
  /// `options.device` and into eval mode. `preparation`: how its training prepared images; by default volumes are
  /// z-scored over their voxels that are not 0, and pictures of integers divided by 255 or 65535. For images that are
  /// prepared already take `Normalise::None`, or `labels_of_planes`. With `channels_last` the net's weights, which the
  /// caller shares, are laid out channels-last too. Reversed labels are undone where the net says that it learnt them
  /// (core/reversible.hpp).
  /// Throws `Error` for options out of range.
  template <typename Net, std::enable_if_t<detail::points_to_module<Net>::value, int> = 0>
  explicit Predictor(const Net& net, CaseOptions preparation = {}, const PredictorOptions& options = {})
      : Predictor(detail::predictor_net(net), std::move(preparation), options) {}

  /// A net from its file, prepared as the file says.
  explicit Predictor(const LoadedNetwork& loaded, const PredictorOptions& options = {})
      : Predictor(loaded.net, loaded.preparation.value_or(CaseOptions()), options) {}

  /// As `load_network(path, how)`, which compiles every network of the zoo.
  PAM_LAZY explicit Predictor(const std::filesystem::path& path, const PredictorOptions& options = {},
                              const LoadNetworkOptions& how = {});

  /// Class probabilities of an image on its own grid, float32 on the CPU: (K, H, W) of a picture (C, H, W), (K, D, H,
  /// W) of a volume (C, D, H, W). K = 1: of the foreground. What the preparation crops away has probability 0; resized
  /// pictures come back bilinear. `image` holds intensities as they are stored, as `prepare_case` wants them; channels
  /// are modalities in the order of the training, or RGB. A tensor has no header, so nothing turns it: the axes x, y, z
  /// of a volume (its last, last but one and last but two dimensions) must run as `preparation().orient` says, or where
  /// that is empty `preparation().axes`; `predict_case` turns files.
  /// Throws `Error` for another number of channels, and as `prepare_case` does; `NonFiniteError` where what the net
  /// gives is NaN or infinite: there is no mask then.
  [[nodiscard]] torch::Tensor probabilities(const torch::Tensor& image, const Progress& progress = {}) const;

  /// The mask of an image on its own grid, int64 on the CPU: (H, W) of a picture, (D, H, W) of a volume; 0 =
  /// background. The axes of a volume as for `probabilities`. Decided on the net's grid, as the scoring of a training
  /// does; resized pictures come back by nearest neighbour, so at edges there this can differ by a pixel from a
  /// threshold of `probabilities`.
  [[nodiscard]] torch::Tensor labels(const torch::Tensor& image, const Progress& progress = {}) const;

  /// The same for planes that are prepared already, on their own grid: images (D, C, H, W) of any size on any device
  /// -> (D, K, H, W) float32 on the CPU. Planes smaller than `min_size()` are padded with 0 and cropped back.
  [[nodiscard]] torch::Tensor probabilities_of_planes(const torch::Tensor& planes, const Progress& progress = {}) const;
  /// The same for planes that are prepared already: (D, C, H, W) -> (D, H, W) int64 on the CPU.
  [[nodiscard]] torch::Tensor labels_of_planes(const torch::Tensor& planes, const Progress& progress = {}) const;

  [[nodiscard]] const CaseOptions& preparation() const { return preparation_; }
  [[nodiscard]] const PredictorOptions& options() const { return options_; }
  /// Channels that the net takes; 0 if unknown.
  [[nodiscard]] std::int64_t in_channels() const { return net_.in_channels; }
  /// The net's smallest input, in pixels per side.
  [[nodiscard]] std::int64_t min_size() const { return net_.min_size; }
  /// Whether the net learnt reversed labels; predictions undo it.
  [[nodiscard]] bool reversed() const { return net_.reversed; }

 private:
  Predictor(detail::PredictorNet net, CaseOptions preparation, const PredictorOptions& options);
  [[nodiscard]] Case prepared(const torch::Tensor& image) const;

  detail::PredictorNet net_;
  CaseOptions preparation_;
  PredictorOptions options_;
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/inference/predictor-inl.hpp>
#endif
