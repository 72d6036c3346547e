// SPDX-License-Identifier: MIT
/// A small net, loader and loss for the tests of train/: everything that a resumed run could get wrong is in them
/// (dropout draws from the generator, batch norm has buffers, each epoch has its own data).
#pragma once

#include <pam/core/seed.hpp>
#include <pam/data/sample.hpp>
#include <pam/train/fit.hpp>
#include <pam/train/optimizer.hpp>
#include <pam/weights/state_dict.hpp>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pam::test {

struct FakeNetImpl : torch::nn::Module {
  explicit FakeNetImpl(std::int64_t width = 4, std::int64_t classes = 1, bool deeper = false) {
    first = register_module("first", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, width, 3).padding(1)));
    norm = register_module("norm", torch::nn::BatchNorm2d(width));
    drop = register_module("drop", torch::nn::Dropout(0.2));
    if (deeper) middle = register_module("middle", torch::nn::Conv2d(torch::nn::Conv2dOptions(width, width, 1)));
    head = register_module("head", torch::nn::Conv2d(torch::nn::Conv2dOptions(width, classes, 1)));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    auto y = drop(torch::relu(norm(first(x))));
    if (!middle.is_empty()) y = torch::relu(middle(y));
    return head(y);
  }
  torch::nn::Conv2d first{nullptr}, middle{nullptr}, head{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
  torch::nn::Dropout drop{nullptr};
};
TORCH_MODULE(FakeNet);

/// The same weights for the same seed; the generator is left alone.
inline FakeNet fake_net(std::uint64_t seed = 1, std::int64_t width = 4, std::int64_t classes = 1, bool deeper = false) {
  SeedScope scope(seed);
  return FakeNet(width, classes, deeper);
}

/// Batches that are a function of (epoch, index). `change` may spoil one before it is handed out.
class FakeLoader {
 public:
  explicit FakeLoader(std::int64_t batches = 5, std::int64_t size = 2) : batches_(batches), size_(size) {}
  void start_epoch(std::int64_t epoch) {
    epoch_ = epoch;
    index_ = 0;
  }
  std::optional<Batch> next() {
    if (index_ >= batches_) return std::nullopt;
    ++given;
    SeedScope scope(static_cast<std::uint64_t>(1000 + 100 * epoch_ + index_));
    Batch batch;
    batch.images = torch::randn({size_, 2, 6, 6});
    batch.labels = (batch.images.select(1, 0) + batch.images.select(1, 1) > 0).to(torch::kLong);
    for (std::int64_t i = 0; i < size_; ++i) {
      batch.case_names.push_back(fmt::format("case{}", size_ * index_ + i));
      batch.slices.push_back(i);
    }
    if (change) change(batch, epoch_, index_);
    ++index_;
    return batch;
  }
  [[nodiscard]] std::int64_t batches() const { return batches_; }
  [[nodiscard]] double wait_seconds() const { return 0; }

  std::function<void(Batch&, std::int64_t epoch, std::int64_t index)> change;
  std::int64_t given = 0;  ///< batches handed out so far

 private:
  std::int64_t batches_, size_, epoch_ = 0, index_ = 0;
};

/// Binary cross entropy of (N, 1, H, W) logits, the mean over pixels that are not ignored.
inline torch::Tensor fake_loss(const torch::Tensor& logits, const torch::Tensor& labels) {
  const auto valid = (labels != kIgnoreLabel).to(logits.scalar_type());
  const auto pixels = torch::binary_cross_entropy_with_logits(logits.select(1, 0), labels.to(logits.scalar_type()), {},
                                                              {}, torch::Reduction::None);
  return (pixels * valid).sum() / valid.sum();
}

/// Parameters and buffers, copied.
inline StateDict copy_of_weights(const FakeNet& net) {
  StateDict copy;
  for (const auto& [name, tensor] : state_dict(*net)) copy.emplace_back(name, tensor.clone());
  return copy;
}

/// "" where all tensors are equal bit for bit, else the first that differs.
inline std::string first_difference(const StateDict& a, const StateDict& b) {
  if (a.size() != b.size()) return fmt::format("{} tensors and {}", a.size(), b.size());
  for (const auto& [name, tensor] : a) {
    const auto other = find_tensor(b, name);
    if (!other.defined()) return name + " is missing";
    if (!torch::equal(tensor, other)) {
      return fmt::format("{} differs by {}", name, (tensor - other).abs().max().item<double>());
    }
  }
  return "";
}

/// The message of the `Error` that `act` throws, or "no error".
inline std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace pam::test
