// SPDX-License-Identifier: MIT
#include "engine/fgsm_case.hpp"

#include <pam/inference/predict_planes.hpp>
#include <pam/train/fgsm.hpp>

#include <algorithm>

namespace pam::apps {

torch::Tensor fgsm_direction_of_case(const Network& net, const SegmentationLoss& loss, const torch::Tensor& images,
                                     const torch::Tensor& labels, std::int64_t batch, torch::Device device) {
  check(images.dim() == 4 && images.numel() > 0, "predict: images must be (D, C, H, W), got {}", shape_string(images));
  net->eval();
  const PlanePadding padding(images.size(2), images.size(3), net.min_size());
  const auto ignored = static_cast<double>(loss.options().ignore_label);
  auto direction = torch::empty(images.sizes(), torch::kFloat);
  for (std::int64_t first = 0; first < images.size(0); first += batch) {
    const auto count = std::min(batch, images.size(0) - first);
    const auto input = padding.add(images.narrow(0, first, count).to(device, torch::kFloat));
    const auto target = padding.add(labels.narrow(0, first, count).to(device, torch::kLong), ignored);
    direction.narrow(0, first, count).copy_(padding.remove(fgsm_direction(net, loss, input, target, net.reversed())));
  }
  return direction;
}

}  // namespace pam::apps
