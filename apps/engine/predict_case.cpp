// SPDX-License-Identifier: MIT
#include "engine/predict_case.hpp"

#include <pam/inference/predict_planes.hpp>
#include <pam/train/fgsm.hpp>

#include <algorithm>
#include <limits>

namespace pam::apps {

std::function<torch::Tensor(const torch::Tensor&)> probabilities_of(const Network& net, const Computation& how) {
  return [&net, how](const torch::Tensor& x) {
    const auto scope = autocast(how.device, how.precision);
    const auto logits = net(how.channels_last ? x.contiguous(at::MemoryFormat::ChannelsLast) : x);
    return probabilities(logits.to(torch::kFloat), net.reversed());
  };
}

torch::Tensor predict_case(const Network& net, const torch::Tensor& images, std::int64_t batch,
                           const Computation& how) {
  net->eval();
  PredictOptions options;
  options.batch = batch;
  options.largest_plane = std::numeric_limits<std::int64_t>::max();  // scored as trained: in whole slices
  options.min_size = net.min_size();
  options.device = how.device;
  return labels_of(predict_planes(probabilities_of(net, how), images, options));
}

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
