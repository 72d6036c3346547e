// SPDX-License-Identifier: MIT
#include "explain/explain_maps.hpp"

#include "explain/heat.hpp"

#include <pam/core/inspect.hpp>
#include <pam/inference/non_finite_error.hpp>
#include <pam/inference/predict_planes.hpp>
#include <pam/inference/predictor.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace pam::apps {
namespace {

namespace F = torch::nn::functional;

/// The modules of the encoder that attend: stem, stages and bridge.
std::vector<std::pair<std::string, Inspectable*>> encoder_attention(torch::nn::Module& net) {
  std::vector<std::pair<std::string, Inspectable*>> found;
  for (const auto& each : inspectables(net)) {
    const auto& name = each.first;
    if (name.rfind("stem", 0) == 0 || name.rfind("stage", 0) == 0 || name.rfind("bridge", 0) == 0)
      found.push_back(each);
  }
  return found;
}

/// A, mean over channels, as large as the input: (N, H, W).
torch::Tensor on_input_grid(const AttentionRecord& record, std::int64_t height, std::int64_t width) {
  auto map = record.attention.to(torch::kFloat).mean(1, true);
  map = map.expand({map.size(0), 1, record.features.size(2), record.features.size(3)});
  const auto options = F::InterpolateFuncOptions()
                           .size(std::vector<std::int64_t>{height, width})
                           .mode(torch::kBilinear)
                           .align_corners(true);
  return F::interpolate(map.contiguous(), options).squeeze(1).to(torch::kCPU);
}

/// Rows and columns [first, last] of what is not 0, with a margin, at least 24 pixels and square where it fits.
struct Box {
  std::int64_t top = 0, left = 0, side = 0;
};

Box box_around(const torch::Tensor& mask) {
  const auto places = mask.nonzero();
  const auto height = mask.size(0), width = mask.size(1);
  if (places.size(0) == 0) return {};
  const auto low = std::get<0>(places.min(0)), high = std::get<0>(places.max(0));
  const auto at = [](const torch::Tensor& t, int i) { return t[i].item<std::int64_t>(); };
  auto side = std::max(at(high, 0) - at(low, 0), at(high, 1) - at(low, 1)) + 9;
  side = std::min({std::max<std::int64_t>(side, 24), height, width});
  const auto start = [&](int i, std::int64_t length) {
    return std::clamp<std::int64_t>((at(low, i) + at(high, i) + 1 - side) / 2, 0, length - side);
  };
  return {start(0, height), start(1, width), side};
}

/// The side of an inset, for a plane or a picture of it.
std::int64_t inset_side(std::int64_t height, std::int64_t width) { return std::min(height, width) * 2 / 5; }

/// The foreground where an inset can enlarge it; else the square, half an inset wide, that holds most errors.
Box box_to_enlarge(const torch::Tensor& foreground, const torch::Tensor& errors) {
  const auto around = box_around(foreground);
  const auto target = inset_side(foreground.size(0), foreground.size(1));
  if (around.side < target || target < 4 || !errors.any().item<bool>()) return around;
  const auto side = target / 2;
  const auto density = torch::avg_pool2d(errors.to(torch::kFloat).unsqueeze(0).unsqueeze(0), side, /*stride=*/1)[0][0];
  const auto densest = density.argmax().item<std::int64_t>();
  return {densest / density.size(1), densest % density.size(1), side};
}

/// White lines, 2 pixels wide, around a square.
void frame(torch::Tensor picture, std::int64_t top, std::int64_t left, std::int64_t side) {
  for (const auto offset : {std::int64_t{0}, side - 2}) {
    picture.narrow(0, top + offset, 2).narrow(1, left, side).fill_(255);
    picture.narrow(0, top, side).narrow(1, left + offset, 2).fill_(255);
  }
}

/// Pastes the part of `picture` in `box` (of unscaled pixels), enlarged to 2/5 of the picture, into the corner that is
/// farthest from it; both are framed.
torch::Tensor with_inset(const torch::Tensor& picture, const Box& box, std::int64_t scale) {
  const auto height = picture.size(0), width = picture.size(1);
  const auto target = inset_side(height, width);
  if (box.side == 0 || box.side * scale >= target || box.side * scale < 2) return picture;
  const auto top = box.top * scale, left = box.left * scale, side = box.side * scale;
  const auto rows = (torch::arange(target) * side / target).to(torch::kLong);
  const auto part = picture.narrow(0, top, side).narrow(1, left, side).index_select(0, rows).index_select(1, rows);
  auto result = picture.clone();
  const auto row = top + side / 2 < height / 2 ? height - target : 0;
  const auto column = left + side / 2 < width / 2 ? width - target : 0;
  frame(result, top, left, side);
  result.narrow(0, row, target).narrow(1, column, target).copy_(part);
  frame(result, row, column, target);
  return result;
}

/// The box of a plane as it lies in a picture that was flipped for showing.
Box flipped(Box box, const torch::Tensor& plane, const OverlayOptions& view) {
  if (view.flip_rows) box.top = plane.size(0) - box.top - box.side;
  if (view.flip_columns) box.left = plane.size(1) - box.left - box.side;
  return box;
}

torch::Tensor heat_over(const torch::Tensor& shown, const torch::Tensor& map, const OverlayOptions& view) {
  auto plain = view;
  plain.flip_rows = plain.flip_columns = false;
  plain.scale = 1;
  const auto image = plain_picture(shown, plain).to(torch::kFloat);
  const auto heat = heat_colours(map).to(torch::kFloat);
  return finish_picture(image * 0.4 + heat * 0.6, view);
}

}  // namespace

ExplainedNetwork explain_network(const Network& net, const Case& source, std::int64_t batch) {
  PredictorOptions how;
  how.batch = batch;
  how.max_plane_pixels = std::numeric_limits<std::int64_t>::max();  // in whole slices, as in training
  const Predictor predictor(net, {}, how);
  const auto images = source.image.transpose(0, 1).contiguous();
  const auto slices = images.size(0), height = images.size(2), width = images.size(3);
  const auto rows = std::max(net.min_size(), height), columns = std::max(net.min_size(), width);
  const PlanePadding padding(height, width, net.min_size());
  ExplainedNetwork result;
  result.name = net.name();
  result.labels = torch::empty({slices, height, width}, torch::kLong);
  const auto modules = encoder_attention(*net);
  for (const auto& [name, module] : modules) {
    module->inspect(true);
    result.attention.push_back({name, torch::empty({slices, height, width})});
  }
  for (std::int64_t first = 0; first < slices; first += batch) {
    const auto count = std::min(batch, slices - first);
    // One batch per call, so that the modules' records are of these slices.
    try {
      result.labels.narrow(0, first, count).copy_(predictor.labels_of_planes(images.narrow(0, first, count)));
    } catch (const NonFiniteError& error) {
      throw error.in_case(source.name + " with " + net.name(), first, slices);
    }
    for (std::size_t m = 0; m < modules.size(); ++m) {
      const auto& record = modules[m].second->record();
      check(record.attention.defined(), "{}: {} has its attention switched off", net.name(), modules[m].first);
      result.attention[m].values.narrow(0, first, count).copy_(padding.remove(on_input_grid(record, rows, columns)));
    }
  }
  for (const auto& [name, module] : modules) module->inspect(false);
  return result;
}

torch::Tensor attention_sheet(const std::vector<ExplainedNetwork>& networks, const torch::Tensor& shown, std::int64_t z,
                              const OverlayOptions& view) {
  std::vector<torch::Tensor> pictures;
  std::size_t most = 0;
  for (const auto& net : networks) most = std::max(most, net.attention.size());
  for (const auto& net : networks) {
    if (net.attention.empty()) continue;
    pictures.push_back(captioned(plain_picture(shown[z], view), net.name));
    for (std::size_t m = 0; m < most; ++m) {
      if (m >= net.attention.size()) {
        pictures.push_back(torch::full_like(pictures.back(), 24));
        continue;
      }
      const auto map = net.attention[m].values[z];
      const auto low = map.min().item<float>(), high = map.max().item<float>();
      const auto spread = (map - low) / std::max(high - low, 1e-6F);
      pictures.push_back(captioned(heat_over(shown[z], spread, view),
                                   fmt::format("{}: {:.2f} to {:.2f}", net.attention[m].module, low, high)));
    }
  }
  check(!pictures.empty(), "explain maps: none of the networks has attention in its encoder");
  return tile(pictures, static_cast<std::int64_t>(most) + 1);
}

torch::Tensor error_sheet(const std::vector<ExplainedNetwork>& networks, const torch::Tensor& shown,
                          const torch::Tensor& truth, std::int64_t z, const OverlayOptions& view) {
  auto foreground = truth[z] > 0;
  auto errors = torch::zeros(truth[z].sizes());
  for (const auto& net : networks) errors += net.labels[z].ne(truth[z]).logical_and(truth[z] >= 0);
  if (!foreground.any().item<bool>()) {
    for (const auto& net : networks) foreground = foreground.logical_or(net.labels[z] > 0);
  }
  const auto box = flipped(box_to_enlarge(foreground, errors), truth[z], view);
  std::vector<torch::Tensor> pictures{
      captioned(with_inset(plain_picture(shown[z], view), box, view.scale), fmt::format("slice {}", z))};
  for (const auto& net : networks) {
    pictures.push_back(
        captioned(with_inset(overlay(shown[z], net.labels[z], truth[z], view), box, view.scale), net.name));
  }
  return tile(pictures, static_cast<std::int64_t>(pictures.size()));
}

}  // namespace pam::apps
