// SPDX-License-Identifier: MIT
/// `GraphedTrainingStep`: forward pass, loss and gradients at one batch shape as a CUDA graph. If there is no graph it
/// runs the same step eagerly, so that a program needs one code path.
#pragma once

#include <pam/core/cuda_graph.hpp>
#include <pam/core/precision.hpp>
#include <pam/core/reversible.hpp>
#include <pam/core/unique_parameters.hpp>
#include <pam/train/detail/cast_weights.hpp>
#include <pam/train/detail/model_view.hpp>
#include <pam/train/reversed_labels.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

namespace pam {

namespace detail {

/// Losses with pam's options: they may check the labels (which waits for the device), and ignore one label.
template <typename Loss, typename = void>
struct checks_labels : std::false_type {};
template <typename Loss>
struct checks_labels<Loss, std::void_t<decltype(std::declval<Loss&>().options().check_labels = false),
                                       decltype(std::declval<Loss&>().options().ignore_label)>> : std::true_type {};

/// `loss`, or NaN (with gradients of 0) where a label is unknown: the loss's own check, without its wait.
inline torch::Tensor nan_for_unknown_labels(const torch::Tensor& loss, const torch::Tensor& labels,
                                            std::int64_t channels, std::int64_t ignored) {
  const auto classes = std::max<std::int64_t>(channels, 2);
  torch::Tensor known;
  if (labels.is_floating_point()) {
    known = labels.ge(0).logical_and(labels.le(1)).all();
  } else if (ignored == -1) {  // next to the classes, so that the range tells; other kernels are of single numbers
    const auto [least, most] = labels.aminmax();
    known = least.ge(0).logical_or(least.eq(ignored)).logical_and(most.lt(classes));
  } else {
    known = labels.ge(0).logical_and(labels.lt(classes)).logical_or(labels.eq(ignored)).all();
  }
  return torch::where(known, loss, torch::full_like(loss, std::numeric_limits<double>::quiet_NaN()));
}

}  // namespace detail

/// Example:
///
///     auto optimizer = pam::make_adamw(net);
///     pam::GraphedTrainingStep step(net, pam::SegmentationLoss("dice"), optimizer, images, labels);
///     torch::Tensor loss = step(images, labels);   // or step.backward(images, labels), clip, step.step()
///
/// The graph holds forward, loss and backward; the gradients lie in memory of their own that every call overwrites
/// (they do not accumulate over calls). The optimizer's step is not part of it: LibTorch's AdamW counts its steps and
/// computes its factors on the host, so a recorded step would repeat the first one forever; and schedules and clipping
/// stay ordinary code. `Model` and `Loss` as for `fit`; the model is shared, not copied. Set its mode (`train()`) and
/// device first. Buffers (running statistics) are put back after the warm-up; random numbers that it drew are not. Drop
/// losses and outputs of earlier forward passes of the model before: their autograd nodes belong to another stream, and
/// recording fails while they live. With another precision than Float32 the weights of all convolutions are cast before
/// the pass, as one tensor; a part of the model that switches autocast off must cast its own back.
///
/// A net that learns reversed labels (RFNA) is trained on 1 - label, as by `fit`, unless the loss reverses them by its own
/// option. A loss with pam's options checks labels when it runs eagerly. Within the graph it cannot wait for the result, so an
/// unknown label makes the loss NaN and the gradients 0. With other losses that wait for the device there is no graph:
/// `graphed()` is false. There is no scaled loss for Float16 here: use Bfloat16.
template <typename Model, typename Loss>
class GraphedTrainingStep {
 public:
  /// `images` (N, C, H, W) and `labels` like the batches to come, on the model's device and in its layout. On a GPU the
  /// step runs on them (the weights stay as they are) and is recorded. Throws what the model or the loss throws.
  GraphedTrainingStep(Model model, Loss loss, torch::optim::Optimizer& optimizer, const torch::Tensor& images,
                      const torch::Tensor& labels, Precision precision = Precision::Float32)
      : model_(std::move(model)), loss_(std::move(loss)), optimizer_(&optimizer), precision_(precision) {
    check(images.defined() && labels.defined() && images.device() == labels.device(),
          "GraphedTrainingStep: the example images and labels must be defined and on one device, got {} and {}",
          describe_tensor(images), describe_tensor(labels));
    check_precision(precision, images.device());
    reversed_ = reversed_of(model_).value_or(false) && !detail::reverses_labels<Loss>::ask(loss_);
    if (reversed_) detail::check_binary_labels(labels);
    images_ = images.detach().clone(), labels_ = labels.detach().clone();
    parameters_ = unique_parameters(model_->parameters());
    record();
  }
  GraphedTrainingStep(const GraphedTrainingStep&) = delete;
  GraphedTrainingStep& operator=(const GraphedTrainingStep&) = delete;

  /// `backward`, then `step`. -> the loss before the step.
  torch::Tensor operator()(const torch::Tensor& images, const torch::Tensor& labels) {
    auto loss = backward(images, labels);
    step();
    return loss;
  }

  /// Sets the parameters' gradients to those of this batch. -> the loss, a scalar of its own memory; nothing waits for
  /// it. The tensors may come from another device (page-locked host memory is copied beside the computation). Throws
  /// `Error` for other shapes and types than the examples'.
  torch::Tensor backward(const torch::Tensor& images, const torch::Tensor& labels) {
    check_like(images, images_, "images");
    check_like(labels, labels_, "labels");
    if (!graphed()) {
      const auto here = images_.device();
      return run(images.to(here, /*non_blocking=*/true), labels.to(here, /*non_blocking=*/true), loss_);
    }
    check(!weights_.moved(),
          "GraphedTrainingStep: the model's weights have been moved or converted since; make it again afterwards");
    const torch::NoGradGuard no_grad;
    images_.copy_(images, /*non_blocking=*/true);
    labels_.copy_(labels, /*non_blocking=*/true);
    graph_->replay();
    // zero_grad() may have taken them from the parameters.
    for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i].mutable_grad() = gradients_[i];
    return value_.clone();
  }

  /// The optimizer's step with the gradients of the last `backward`, which may be clipped or averaged in between.
  void step() { optimizer_->step(); }

  /// True where calls replay a CUDA graph.
  [[nodiscard]] bool graphed() const { return graph_->recorded(); }
  /// Why there is no graph; empty if there is one.
  [[nodiscard]] const std::string& reason() const { return graph_->reason(); }

 private:
  void record() {
    std::vector<torch::Tensor> buffers = model_->buffers(), before;
    if (images_.is_cuda()) {
      for (const auto& buffer : buffers) before.push_back(buffer.detach().clone());
    }
    Loss recorded = loss_;
    if constexpr (detail::checks_labels<Loss>::value) recorded.options().check_labels = false;
    graph_ = std::make_unique<CudaGraph>(images_.device(), [&] { value_ = run(images_, labels_, recorded, true); });
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < before.size(); ++i) buffers[i].copy_(before[i]);
    for (auto& parameter : parameters_) {
      if (graphed()) gradients_.push_back(parameter.grad());
      parameter.mutable_grad() = torch::Tensor();  // as a fresh model's: the warm-up leaves no trace
    }
    if (!graphed()) return;
    for (const auto& parameter : parameters_) buffers.push_back(parameter);
    weights_ = FixedTensors(std::move(buffers));
  }

  /// Without gradients before, `backward` gives each parameter a new one instead of adding: within a recording that is
  /// the fixed memory which every replay writes.
  template <typename L>
  torch::Tensor run(const torch::Tensor& images, const torch::Tensor& labels, L& loss, bool in_graph = false) {
    for (auto& parameter : parameters_) parameter.mutable_grad() = torch::Tensor();
    const torch::AutoGradMode with_gradients(true);
    torch::Tensor value;
    {
      const auto scope = autocast(images.device(), precision_);
      std::optional<detail::CastWeights> cast;
      if (precision_ != Precision::Float32 && images.is_cuda())
        cast.emplace(*model_.operator->(), scalar_type(precision_));
      const torch::Tensor logits = model_(images);
      if (reversed_) {
        check_reversible(logits);
        if (!in_graph) detail::check_binary_labels(labels);
      }
      value = loss(logits, reversed_ ? detail::swapped_labels(labels) : labels);
      check(value.defined() && value.numel() == 1, "GraphedTrainingStep: the loss must be one number, got shape {}",
            shape_string(value));
      if constexpr (detail::checks_labels<Loss>::value) {
        const auto& options = loss_.options();
        if (in_graph && options.check_labels) {
          value = detail::nan_for_unknown_labels(value, labels, logits.size(1), options.ignore_label);
        }
      } else if (in_graph && reversed_) {  // swapped, an unknown label could be the one that is ignored
        value = detail::nan_for_unknown_labels(value, labels, logits.size(1), /*ignored=*/-1);
      }
    }
    value.backward();
    return value.detach();
  }

  static void check_like(const torch::Tensor& given, const torch::Tensor& example, const char* what) {
    check(given.defined() && given.sizes() == example.sizes() && given.scalar_type() == example.scalar_type(),
          "GraphedTrainingStep: made for {} {}, got {}; make another one for other shapes (the last batch of an epoch "
          "may be smaller: drop it, or take its step without a graph), or convert the batch",
          what, describe_tensor(example), describe_tensor(given));
  }

  Model model_;
  Loss loss_;
  torch::optim::Optimizer* optimizer_;
  Precision precision_;
  bool reversed_ = false;  ///< this class reverses the labels
  torch::Tensor images_, labels_, value_;
  std::vector<torch::Tensor> parameters_, gradients_;
  FixedTensors weights_;
  std::unique_ptr<CudaGraph> graph_;
};

}  // namespace pam
