// SPDX-License-Identifier: MIT
/// The definitions of schedule.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/train/schedule.hpp>

#include <algorithm>
#include <cmath>

namespace pam {

PAM_FUNC double warm_up_factor(std::int64_t step, std::int64_t warm_up) {
  if (step + 1 >= warm_up) return 1;
  return static_cast<double>(step + 1) / static_cast<double>(warm_up);
}

PAM_FUNC double multi_step_factor(std::int64_t step, std::int64_t total, const std::vector<double>& milestones,
                                  double gamma) {
  const auto passed = std::count_if(milestones.begin(), milestones.end(), [&](double milestone) {
    return static_cast<double>(step) >= milestone * static_cast<double>(total) * (1 - 1e-12);
  });
  return std::pow(gamma, static_cast<double>(passed));
}

PAM_FUNC double cosine_factor(std::int64_t step, std::int64_t total, double floor) {
  constexpr double pi = 3.141592653589793238462643;
  const double share = total > 0 ? std::min(1.0, static_cast<double>(step) / static_cast<double>(total)) : 1.0;
  return floor + (1 - floor) * (1 + std::cos(pi * share)) / 2;
}

PAM_FUNC double poly_factor(std::int64_t step, std::int64_t total, double power, double floor) {
  const double share = total > 0 ? std::min(1.0, static_cast<double>(step) / static_cast<double>(total)) : 1.0;
  return floor + (1 - floor) * std::pow(1 - share, power);
}

PAM_FUNC std::string to_string(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::Constant:
      return "constant";
    case ScheduleKind::MultiStep:
      return "multi_step";
    case ScheduleKind::Cosine:
      return "cosine";
    case ScheduleKind::Poly:
      return "poly";
  }
  return "unknown";
}

PAM_FUNC bool from_string(const std::string& name, ScheduleKind& kind) {
  for (auto each : {ScheduleKind::Constant, ScheduleKind::MultiStep, ScheduleKind::Cosine, ScheduleKind::Poly}) {
    if (to_string(each) != name) continue;
    kind = each;
    return true;
  }
  return false;
}

PAM_FUNC const char* option_names(ScheduleKind) { return "one of \"constant\", \"multi_step\", \"cosine\", \"poly\""; }

PAM_FUNC double Schedule::factor(std::int64_t step, std::int64_t total) const {
  const double warm = warm_up_factor(step, warm_up);
  // A warm-up as long as the run leaves cosine and poly no steps to fall over, not a rate of 0.
  if (step < warm_up && kind != ScheduleKind::MultiStep) return warm;
  const auto after = step - warm_up;
  switch (kind) {
    case ScheduleKind::MultiStep:
      return warm * multi_step_factor(step, total, milestones, gamma);
    case ScheduleKind::Cosine:
      return cosine_factor(after, total - warm_up, floor);
    case ScheduleKind::Poly:
      return poly_factor(after, total - warm_up, power, floor);
    case ScheduleKind::Constant:
      break;
  }
  return warm;
}

PAM_FUNC void check_schedule(const Schedule& schedule) {
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

PAM_FUNC void check_schedule(const Schedule& schedule, std::int64_t total) {
  check_schedule(schedule);
  check(schedule.warm_up <= total, "schedule: warm_up must be between 0 and the run's {} steps, got {}", total,
        schedule.warm_up);
}

}  // namespace pam
