// SPDX-License-Identifier: MIT
/// `TensorDataset`: images and labels that are in memory already.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/dataset.hpp>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace pam {

/// Sample i is images[i] with labels[i], as a copy: augmentation does not change the tensors, which are shared with the
/// caller (and must not change while a loader runs).
class TensorDataset final : public Dataset {
 public:
  /// `images` (N, C, H, W) float32 and `labels` (N, H, W) int64 (0 = background, 1 … classes, or `kIgnoreLabel`), both
  /// on the CPU. `case_names`: N names, equal for samples of one case, which are then its slices in order; empty: every
  /// sample is a case of its own, "0", "1", …. Throws `Error` for other shapes, types, devices and numbers of names.
  TensorDataset(const torch::Tensor& images, const torch::Tensor& labels, std::vector<std::string> case_names = {})
      : case_names_(std::move(case_names)) {
    check(images.defined() && images.dim() == 4 && images.size(0) > 0,
          "TensorDataset: images must be (N, C, H, W) with at least one image, got {}", shape_string(images));
    check(images.scalar_type() == torch::kFloat,
          "TensorDataset: images must be float32, got {}; convert them with images.to(torch::kFloat), and divide "
          "8-bit pictures by 255",
          c10::toString(images.scalar_type()));
    check(labels.defined() && labels.dim() == 3 && labels.size(0) == images.size(0) &&
              labels.size(1) == images.size(2) && labels.size(2) == images.size(3),
          "TensorDataset: labels must be (N, H, W) like the images {}, got {}; labels (N, 1, H, W) lose their channel "
          "with labels.squeeze(1)",
          shape_string(images), shape_string(labels));
    check(labels.scalar_type() == torch::kLong,
          "TensorDataset: labels must be int64 class numbers, got {}; convert them with labels.to(torch::kLong)",
          c10::toString(labels.scalar_type()));
    check(
        images.device().is_cpu() && labels.device().is_cpu(),
        "TensorDataset: images and labels must be on the CPU, got {} and {}; fit moves each batch to the net's device",
        images.device().str(), labels.device().str());
    check(case_names_.empty() || static_cast<std::int64_t>(case_names_.size()) == images.size(0),
          "TensorDataset: there are {} case names for {} images; give one per image, or none", case_names_.size(),
          images.size(0));
    images_ = images.detach().contiguous();
    labels_ = labels.detach().contiguous();
    std::map<std::string, std::int64_t> seen;
    for (const auto& name : case_names_) slices_.push_back(seen[name]++);
  }

  [[nodiscard]] std::int64_t size() const override { return images_.size(0); }
  [[nodiscard]] std::string case_name(std::int64_t index) const override {
    return case_names_.empty() ? std::to_string(index) : case_names_.at(static_cast<std::size_t>(index));
  }
  [[nodiscard]] Sample get(std::int64_t index) const override {
    check(index >= 0 && index < size(), "TensorDataset: there is no sample {}; there are {}", index, size());
    return {copy<float>(images_, index), copy<std::int64_t>(labels_, index), case_name(index),
            slices_.empty() ? 0 : slices_[static_cast<std::size_t>(index)]};
  }

 private:
  /// Plain memory: data threads must not start LibTorch's thread pool.
  template <typename T>
  static torch::Tensor copy(const torch::Tensor& all, std::int64_t index) {
    auto one = torch::empty(all.sizes().slice(1), all.options());
    std::memcpy(one.data_ptr<T>(), all.data_ptr<T>() + index * one.numel(),
                static_cast<std::size_t>(one.numel()) * sizeof(T));
    return one;
  }

  torch::Tensor images_, labels_;
  std::vector<std::string> case_names_;
  std::vector<std::int64_t> slices_;  ///< of each sample in its case; empty without names
};

}  // namespace pam
