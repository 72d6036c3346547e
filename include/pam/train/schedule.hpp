// SPDX-License-Identifier: MIT
/// Learning-rate schedules as pure functions of the optimizer step: what a resumed run needs is the step alone.
/// Each returns the share of the optimizer's own learning rate; step 0 is the first, `total` steps make the run.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/options_json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace pam {

/// Linear warm-up: min(1, (step + 1) / warm_up); 1 where `warm_up` is 0. The first step is never wasted on a rate of 0.
/// Equals PyTorch's LinearLR(start_factor = 1 / warm_up, total_iters = warm_up - 1).
[[nodiscard]] inline double warm_up_factor(std::int64_t step, std::int64_t warm_up) {
  if (step + 1 >= warm_up) return 1;
  return static_cast<double>(step + 1) / static_cast<double>(warm_up);
}

/// gamma^k, k = number of `milestones` m (shares of the run) with step >= m * total.
/// Equals PyTorch's MultiStepLR where every m * total is a whole number; 0.55 * 100 counts as 55, not as the
/// 55.00000000000001 that doubles make of it.
[[nodiscard]] inline double multi_step_factor(std::int64_t step, std::int64_t total,
                                              const std::vector<double>& milestones, double gamma) {
  const auto passed = std::count_if(milestones.begin(), milestones.end(), [&](double milestone) {
    return static_cast<double>(step) >= milestone * static_cast<double>(total) * (1 - 1e-12);
  });
  return std::pow(gamma, static_cast<double>(passed));
}

/// floor + (1 - floor) * (1 + cos(pi * step / total)) / 2; `floor` from `total` on. PyTorch: CosineAnnealingLR.
/// Loshchilov and Hutter 2017, equation 5, https://arxiv.org/abs/1608.03983
[[nodiscard]] inline double cosine_factor(std::int64_t step, std::int64_t total, double floor) {
  constexpr double pi = 3.141592653589793238462643;
  const double share = total > 0 ? std::min(1.0, static_cast<double>(step) / static_cast<double>(total)) : 1.0;
  return floor + (1 - floor) * (1 + std::cos(pi * share)) / 2;
}

/// floor + (1 - floor) * (1 - step / total)^power; `floor` from `total` on. PyTorch: PolynomialLR (floor 0).
/// The "poly" policy of DeepLab, section 4.1, https://arxiv.org/abs/1606.00915
[[nodiscard]] inline double poly_factor(std::int64_t step, std::int64_t total, double power, double floor) {
  const double share = total > 0 ? std::min(1.0, static_cast<double>(step) / static_cast<double>(total)) : 1.0;
  return floor + (1 - floor) * std::pow(1 - share, power);
}

/// Which curve a `Schedule` follows after its warm-up.
enum class ScheduleKind { kConstant, kMultiStep, kCosine, kPoly };

inline std::string to_string(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::kConstant:
      return "constant";
    case ScheduleKind::kMultiStep:
      return "multi_step";
    case ScheduleKind::kCosine:
      return "cosine";
    case ScheduleKind::kPoly:
      return "poly";
  }
  return "unknown";
}

inline bool from_string(const std::string& name, ScheduleKind& kind) {
  for (auto each : {ScheduleKind::kConstant, ScheduleKind::kMultiStep, ScheduleKind::kCosine, ScheduleKind::kPoly}) {
    if (to_string(each) != name) continue;
    kind = each;
    return true;
  }
  return false;
}

inline const char* option_names(ScheduleKind) { return "one of \"constant\", \"multi_step\", \"cosine\", \"poly\""; }

/// A schedule as options; the default is a constant rate. Cosine and poly fall over the steps after the warm-up, if any
/// are left; milestones are shares of the whole run.
struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  std::int64_t warm_up = 0;                   ///< steps of linear warm-up
  std::vector<double> milestones{0.5, 0.75};  ///< multi_step: shares of the run, each in (0, 1]
  double gamma = 0.1;                         ///< multi_step: factor at each milestone
  double power = 0.9;                         ///< poly: exponent
  double floor = 0;                           ///< cosine and poly: the share of the rate that is left at the end

  /// The recipe of the code that the paper's authors released: learning rate × 0.1 at half and at three quarters of the
  /// run, no warm-up.
  static Schedule released() {
    Schedule schedule;
    schedule.kind = ScheduleKind::kMultiStep;
    return schedule;
  }

  /// The share of the base learning rate at `step` of `total`.
  [[nodiscard]] double factor(std::int64_t step, std::int64_t total) const {
    const double warm = warm_up_factor(step, warm_up);
    // A warm-up as long as the run leaves cosine and poly no steps to fall over, not a rate of 0.
    if (step < warm_up && kind != ScheduleKind::kMultiStep) return warm;
    const auto after = step - warm_up;
    switch (kind) {
      case ScheduleKind::kMultiStep:
        return warm * multi_step_factor(step, total, milestones, gamma);
      case ScheduleKind::kCosine:
        return cosine_factor(after, total - warm_up, floor);
      case ScheduleKind::kPoly:
        return poly_factor(after, total - warm_up, power, floor);
      case ScheduleKind::kConstant:
        break;
    }
    return warm;
  }

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("kind", self.kind);
    field("warm_up", self.warm_up);
    field("milestones", self.milestones);
    field("gamma", self.gamma);
    field("power", self.power);
    field("floor", self.floor);
  }
};

/// Throws `Error` where a field of `schedule` is out of range.
inline void check_schedule(const Schedule& schedule) {
  check(schedule.warm_up >= 0, "schedule: warm_up must be 0 or more steps, got {}", schedule.warm_up);
  for (const double milestone : schedule.milestones) {
    check(milestone > 0 && milestone <= 1,
          "schedule: milestones are shares of the run, each above 0 and at most 1, got {} (write 0.5 for half way)",
          milestone);
  }
  check(schedule.gamma > 0 && schedule.gamma <= 1, "schedule: gamma must be above 0 and at most 1, got {}",
        schedule.gamma);
  check(schedule.power > 0 && std::isfinite(schedule.power), "schedule: power must be positive, got {}",
        schedule.power);
  check(schedule.floor >= 0 && schedule.floor <= 1, "schedule: floor must be between 0 and 1, got {}", schedule.floor);
}

/// The same, and where its warm-up does not fit into a run of `total` steps.
inline void check_schedule(const Schedule& schedule, std::int64_t total) {
  check_schedule(schedule);
  check(schedule.warm_up <= total, "schedule: warm_up must be between 0 and the run's {} steps, got {}", total,
        schedule.warm_up);
}

}  // namespace pam
