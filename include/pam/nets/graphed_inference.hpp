// SPDX-License-Identifier: MIT
/// `GraphedInference`: a net at one input shape as a CUDA graph: one launch instead of hundreds, which take most of the
/// time of a small batch. Where no graph can be made it runs the net eagerly, so that a program needs one code path.
#pragma once

#include <pam/core/cuda_graph.hpp>
#include <pam/core/precision.hpp>

#include <type_traits>
#include <utility>

namespace pam {

namespace detail {

template <typename Model, typename = void>
struct has_weights : std::false_type {};
template <typename Model>
struct has_weights<Model, std::void_t<decltype(std::declval<Model&>()->parameters())>> : std::true_type {};

}  // namespace detail

/// Example:
///
///     pam::GraphedInference fast(net, example);  // example: any input of the shape to come, on the net's device
///     torch::Tensor logits = fast(x);            // valid until the next call; .clone() to keep it
///
/// `Model` is anything called as `model(x)` that returns one tensor; a module holder or `Network` is shared, not
/// copied. Put it into its mode (`eval()`) and on its device first. Weights changed in place (an optimizer's step,
/// `load_weights`) are seen by the next call; after `model->to(...)` a call throws. One call at a time.
template <typename Model>
class GraphedInference {
 public:
  /// Runs the net on `example` (N, C, H, W), in the layout of the inputs to come, and records it if it can: `graphed()`
  /// says whether it did. `precision` as in `FitOptions`; converting the net itself (`net->to(torch::kBFloat16)`) saves
  /// the casts of the weights in each call. Throws what the net throws for `example`, and `Error` if it is undefined.
  explicit GraphedInference(Model model, const torch::Tensor& example, Precision precision = Precision::Float32)
      : model_(std::move(model)), precision_(precision) {
    check(example.defined(), "GraphedInference: the example input is undefined; pass a tensor like the inputs to come");
    check_precision(precision, example.device());
    input_ = example.detach().clone();  // keeps channels-last
    graph_ = std::make_unique<CudaGraph>(input_.device(), [this] { output_ = run(input_); });
    if (!graphed()) {
      output_ = torch::Tensor();
    } else if constexpr (detail::has_weights<Model>::value) {
      auto held = model_->parameters();
      for (auto& buffer : model_->buffers()) held.push_back(std::move(buffer));
      weights_ = FixedTensors(std::move(held));
    }
  }
  GraphedInference(const GraphedInference&) = delete;
  GraphedInference& operator=(const GraphedInference&) = delete;

  /// The net's output for `x`, without a graph for autograd. With a CUDA graph the next call overwrites it. Throws
  /// `Error` where x has another shape, type or device than the example; any layout will do, the example's is fastest.
  torch::Tensor operator()(const torch::Tensor& x) {
    check(x.defined() && x.sizes() == input_.sizes() && x.scalar_type() == input_.scalar_type() &&
              x.device() == input_.device(),
          "GraphedInference: made for {}, got {}; make another one for other shapes, or convert, move, pad or crop the "
          "input",
          describe_tensor(input_), describe_tensor(x));
    if (!graphed()) return run(x);
    check(!weights_.moved(),
          "GraphedInference: the net's weights have been moved or converted since; make it again afterwards");
    const torch::NoGradGuard no_grad;
    input_.copy_(x, /*non_blocking=*/true);
    graph_->replay();
    return output_;
  }

  /// True where calls replay a CUDA graph.
  [[nodiscard]] bool graphed() const { return graph_->recorded(); }
  /// Why there is no graph; empty if there is one.
  [[nodiscard]] const std::string& reason() const { return graph_->reason(); }

 private:
  // NoGrad, not InferenceMode: LibTorch allows no copy into inference tensors outside of that mode.
  torch::Tensor run(const torch::Tensor& x) {
    const torch::NoGradGuard no_grad;
    const auto scope = autocast(x.device(), precision_);
    return model_(x);
  }

  Model model_;
  Precision precision_;
  torch::Tensor input_, output_;
  FixedTensors weights_;
  std::unique_ptr<CudaGraph> graph_;
};

}  // namespace pam
