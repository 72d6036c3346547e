// SPDX-License-Identifier: MIT
#include "programs/predict_case.hpp"

#include <pam/train/fgsm.hpp>

#include <algorithm>

namespace pam::programs {
namespace {

/// Zeros around a case's slices, up to what the net takes.
class Padding {
 public:
  Padding(const Network& net, const torch::Tensor& images)
      : height_(images.size(2)),
        width_(images.size(3)),
        rows_(std::max<std::int64_t>(0, net.min_size() - height_)),
        columns_(std::max<std::int64_t>(0, net.min_size() - width_)) {}

  [[nodiscard]] torch::Tensor add(const torch::Tensor& x, double value = 0) const {
    const auto top = rows_ / 2, left = columns_ / 2;
    return torch::constant_pad_nd(x, {left, columns_ - left, top, rows_ - top}, value);
  }
  /// Takes it off the last two axes.
  [[nodiscard]] torch::Tensor remove(const torch::Tensor& x) const {
    return x.narrow(-2, rows_ / 2, height_).narrow(-1, columns_ / 2, width_);
  }

 private:
  std::int64_t height_, width_, rows_, columns_;
};

void check_images(const torch::Tensor& images) {
  check(images.dim() == 4 && images.numel() > 0, "predict: images must be (D, C, H, W), got {}", shape_string(images));
}

/// Calls `act(first, count)` for every `batch` of `slices`.
template <typename Act>
void each_batch(std::int64_t slices, std::int64_t batch, const Act& act) {
  for (std::int64_t first = 0; first < slices; first += batch) act(first, std::min(batch, slices - first));
}

}  // namespace

torch::Tensor predict_case(const Network& net, const torch::Tensor& images, std::int64_t batch, torch::Device device) {
  check_images(images);
  torch::NoGradGuard no_grad;
  net->eval();
  const Padding padding(net, images);
  auto labels = torch::empty({images.size(0), images.size(2), images.size(3)}, torch::kLong);
  each_batch(images.size(0), batch, [&](std::int64_t first, std::int64_t count) {
    const auto input = padding.add(images.narrow(0, first, count).to(device, torch::kFloat));
    labels.narrow(0, first, count).copy_(padding.remove(labels_of(net.probabilities(input))));
  });
  return labels;
}

torch::Tensor fgsm_direction_of_case(const Network& net, const SegmentationLoss& loss, const torch::Tensor& images,
                                     const torch::Tensor& labels, std::int64_t batch, torch::Device device) {
  check_images(images);
  net->eval();
  const Padding padding(net, images);
  const auto ignored = static_cast<double>(loss.options().ignore_label);
  auto direction = torch::empty(images.sizes(), torch::kFloat);
  each_batch(images.size(0), batch, [&](std::int64_t first, std::int64_t count) {
    const auto input = padding.add(images.narrow(0, first, count).to(device, torch::kFloat));
    const auto target = padding.add(labels.narrow(0, first, count).to(device, torch::kLong), ignored);
    direction.narrow(0, first, count).copy_(padding.remove(fgsm_direction(net, loss, input, target, net.reversed())));
  });
  return direction;
}

}  // namespace pam::programs
