// SPDX-License-Identifier: MIT
/// One thing that pam_bench times: a module at inference or at a training step, on one device, in one type, layout and
/// backend.
#pragma once

#include "bench_device.hpp"
#include "bench_modules.hpp"
#include "mac_counter.hpp"

#include <pam/core/memory_format.hpp>
#include <pam/core/precision.hpp>
#include <pam/losses/segmentation_loss.hpp>
#include <pam/nets/graphed_inference.hpp>
#include <pam/train/fused_adamw.hpp>
#include <pam/train/graphed_step.hpp>

#include <memory>
#include <optional>
#include <string>

namespace pam::bench {

struct BenchSetting {
  std::string name;
  std::string task = "infer";  ///< or "train": forward, loss, backward, AdamW
  torch::Device device = torch::kCPU;
  Precision precision = Precision::Float32;
  bool channels_last = true;
  kernels::Backend backend = kernels::Backend::Fused;
  kernels::Convolution convolution = kernels::default_convolution();
  std::int64_t batch = 4;
  bool graphs = true;  ///< CUDA graphs where they can be recorded
};

/// A module that is chosen at run time, as GraphedTrainingStep takes models.
struct BenchModel {
  std::shared_ptr<torch::nn::Module> module;
  std::function<torch::Tensor(const torch::Tensor&)> run;
  torch::Tensor operator()(const torch::Tensor& x) const { return run(x); }
  torch::nn::Module* operator->() const { return module.get(); }
};

/// Builds the module and its input; `step` then runs it once. Networks train on soft Dice with labels of 10 %
/// foreground (cross-entropy for several classes), blocks and attentions on a random gradient. A training step keeps
/// float32 weights and computes under autocast; inference casts the weights once.
class BenchStep {
 public:
  BenchStep(const BenchEntry& entry, const BenchSetting& setting, const BenchShape& shape) : setting_(setting) {
    torch::manual_seed(0);
    case_ = entry.make(shape);
    auto& module = *case_.module;
    kernels::set_backend(module, setting.backend);
    const auto dtype = training() ? torch::kFloat : scalar_type(setting.precision);
    module.to(setting.device, dtype);
    module.train(training());
    auto dims = case_.input;
    dims.insert(dims.begin(), setting.batch);
    input_ = torch::randn(dims, setting.device).to(dtype);
    if (setting.channels_last) {
      to_memory_format(module, torch::MemoryFormat::ChannelsLast);
      input_ = input_.contiguous(torch::MemoryFormat::ChannelsLast);
    }
    model_ = {case_.module, case_.run};
    if (training()) prepare_training(entry.kind == "net");
  }

  /// From now on a CUDA graph, where the setting asks for one and it can be recorded. (The memory of a step is measured
  /// before: a graph keeps its own.)
  void record() {
    if (!setting_.graphs || !setting_.device.is_cuda()) return;
    if (!training()) inference_.emplace(model_, input_);
    if (labels_.defined()) training_.emplace(model_, loss_, *optimizer_, input_, labels_, setting_.precision);
  }

  void step() {
    kernels::set_default_convolution(setting_.convolution);
    if (training_) {
      (*training_)(input_, labels_);
    } else if (training()) {
      train();
    } else if (inference_) {
      (*inference_)(input_);
    } else {
      const torch::NoGradGuard no_grad;
      model_(input_);
    }
  }

  /// What the module computes of the input as it is now, in float32 on the CPU.
  [[nodiscard]] torch::Tensor output() const {
    kernels::set_default_convolution(setting_.convolution);
    const torch::NoGradGuard no_grad;
    const auto scope = autocast(setting_.device, training() ? setting_.precision : Precision::Float32);
    return model_(input_).to(torch::kCPU, torch::kFloat);
  }

  /// True where a CUDA graph is replayed.
  [[nodiscard]] bool graphed() const {
    return (inference_ && inference_->graphed()) || (training_ && training_->graphed());
  }
  [[nodiscard]] const BenchSetting& setting() const { return setting_; }
  [[nodiscard]] const nlohmann::json& net() const { return case_.net; }
  [[nodiscard]] const torch::nn::Module& module() const { return *case_.module; }
  [[nodiscard]] const std::vector<std::int64_t>& input() const { return case_.input; }
  [[nodiscard]] const torch::Tensor& images() const { return input_; }
  [[nodiscard]] std::int64_t parameters() const {
    std::int64_t count = 0;
    for (const auto& p : case_.module->parameters()) count += p.numel();
    return count;
  }

 private:
  [[nodiscard]] bool training() const { return setting_.task == "train"; }

  void prepare_training(bool is_net) {
    parameters_ = case_.module->parameters();
    optimizer_.emplace(parameters_, torch::optim::AdamWOptions(1e-4));
    if (is_net) {
      labels_ = (torch::rand({setting_.batch, input_.size(2), input_.size(3)}, setting_.device) > 0.9).to(torch::kLong);
    } else {
      input_.requires_grad_(true);  // a block stands in the middle of a network
    }
  }

  void train() {
    for (auto& p : parameters_) p.mutable_grad() = torch::Tensor();
    torch::Tensor y;
    {
      const auto scope = autocast(setting_.device, setting_.precision);
      y = model_(input_);
    }
    if (labels_.defined()) {
      loss_(y, labels_).backward();
    } else {
      if (!direction_.defined()) direction_ = torch::randn_like(y);
      y.backward(direction_);
    }
    optimizer_->step();
  }

  BenchSetting setting_;
  BenchCase case_;
  BenchModel model_;
  SegmentationLoss loss_{"dice"};
  torch::Tensor input_, labels_, direction_;
  std::vector<torch::Tensor> parameters_;
  std::optional<FusedAdamW> optimizer_;
  std::optional<GraphedInference<BenchModel>> inference_;
  std::optional<GraphedTrainingStep<BenchModel, SegmentationLoss>> training_;
};

}  // namespace pam::bench
