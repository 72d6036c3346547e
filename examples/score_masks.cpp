// SPDX-License-Identifier: MIT
/// Scores of masks in memory: IoU, Dice, HD95 and NSD of a volume with anisotropic voxels, the scores of each class,
/// and means over cases with the cases that a mean hides. Run: score_masks
#include <pam/pam.hpp>

#include <iostream>

namespace {

/// A ball of `radius` mm around (z, y, x) in mm, in a volume of 20 slices of 64 × 64 voxels of 3 × 1 × 1 mm.
torch::Tensor ball(double radius, double z, double y, double x) {
  const auto depth = 3 * torch::arange(20.0).view({20, 1, 1}) - z;
  const auto row = torch::arange(64.0).view({64, 1}) - y, column = torch::arange(64.0) - x;
  return (depth.square() + row.square() + column.square() <= radius * radius).to(torch::kLong);
}

std::string text(const std::optional<double>& value) { return value ? fmt::format("{:.3f}", *value) : "undefined"; }

}  // namespace

int main() {
  const std::vector<double> spacing{3, 1, 1};  // mm: slices, rows, columns, in the order of the tensor's axes
  const auto truth = ball(15, 30, 32, 32), found = ball(15, 30, 32, 34);  // the prediction lies 2 mm off
  const auto scores = pam::score_case(found, truth, spacing, "patient1");
  std::cout << fmt::format("{}: IoU {}, Dice {}, HD95 {} mm, NSD at 1 mm {}\n", scores.name, text(scores.iou),
                           text(scores.dice), text(scores.hd95), text(scores.nsd));

  // NSD with another tolerance: the share of both borders that lies within it.
  pam::ScoreOptions tolerant;
  tolerant.nsd_tolerance = 2;
  std::cout << "NSD at 2 mm " << text(pam::score_case(found, truth, spacing, "patient1", tolerant).nsd) << "\n";

  // Two foreground classes: the ball, and its core as class 2.
  const auto core = truth + ball(6, 30, 32, 32), found_core = found + ball(6, 30, 32, 34) * found;
  for (const auto& each : pam::score_classes(found_core, core, /*classes=*/3, spacing, "patient1")) {
    std::cout << "class IoU " << text(each.iou) << ", HD95 " << text(each.hd95) << " mm\n";
  }

  // A missed case has no HD95; hd95_penalised counts it with the volume's diagonal, so that missing is not rewarded.
  const auto missed = pam::score_case(torch::zeros_like(truth), truth, spacing, "patient2");
  const auto summary = pam::summarise({scores, missed});
  const auto &hd95 = summary.of("hd95"), &penalised = summary.of("hd95_penalised");
  std::cout << fmt::format("mean HD95 {} mm over {} of {} cases (missed: {}), penalised {} mm\n", text(hd95.mean),
                           hd95.cases, summary.cases, fmt::join(summary.missed, ", "), text(penalised.mean));
}
