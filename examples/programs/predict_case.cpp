// SPDX-License-Identifier: MIT
#include "programs/predict_case.hpp"

#include <algorithm>

namespace pam::programs {

torch::Tensor predict_case(const Network& net, const torch::Tensor& images, std::int64_t batch, torch::Device device) {
  check(images.dim() == 4 && images.numel() > 0, "predict: images must be (D, C, H, W), got {}", shape_string(images));
  torch::NoGradGuard no_grad;
  net->eval();
  const auto slices = images.size(0), height = images.size(2), width = images.size(3);
  const auto more_rows = std::max<std::int64_t>(0, net.min_size() - height);
  const auto more_columns = std::max<std::int64_t>(0, net.min_size() - width);
  const auto top = more_rows / 2, left = more_columns / 2;
  auto labels = torch::empty({slices, height, width}, torch::kLong);
  for (std::int64_t first = 0; first < slices; first += batch) {
    const auto count = std::min(batch, slices - first);
    auto input = images.narrow(0, first, count).to(device, torch::kFloat);
    input = torch::constant_pad_nd(input, {left, more_columns - left, top, more_rows - top});
    const auto found = labels_of(net.probabilities(input)).narrow(1, top, height).narrow(2, left, width);
    labels.narrow(0, first, count).copy_(found);
  }
  return labels;
}

}  // namespace pam::programs
