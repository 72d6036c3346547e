// SPDX-License-Identifier: MIT
/// Learning-rate schedules as pure functions of the optimizer step: a resumed run needs only the step.
/// Each returns the share of the optimizer's own learning rate; step 0 is the first, `total` steps make the run.
#pragma once

#include <pam/core/config.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pam {

/// Linear warm-up: min(1, (step + 1) / warm_up); 1 if `warm_up` is 0. The rate of the first step is not 0.
/// Equals PyTorch's LinearLR(start_factor = 1 / warm_up, total_iters = warm_up - 1).
[[nodiscard]] double warm_up_factor(std::int64_t step, std::int64_t warm_up);

/// gamma^k, k = number of `milestones` m (shares of the run) with step >= m * total.
/// Equals PyTorch's MultiStepLR where every m * total is a whole number; 0.55 * 100 counts as 55, not as the
/// 55.00000000000001 that doubles make of it.
[[nodiscard]] double multi_step_factor(std::int64_t step, std::int64_t total, const std::vector<double>& milestones,
                                       double gamma);

/// floor + (1 - floor) * (1 + cos(pi * step / total)) / 2; `floor` from `total` on. PyTorch: CosineAnnealingLR.
/// Loshchilov and Hutter 2017, equation 5, https://arxiv.org/abs/1608.03983
[[nodiscard]] double cosine_factor(std::int64_t step, std::int64_t total, double floor);

/// floor + (1 - floor) * (1 - step / total)^power; `floor` from `total` on. PyTorch: PolynomialLR (floor 0).
/// The "poly" policy of DeepLab, section 4.1, https://arxiv.org/abs/1606.00915
[[nodiscard]] double poly_factor(std::int64_t step, std::int64_t total, double power, double floor);

/// Which curve a `Schedule` follows after its warm-up.
enum class ScheduleKind { Constant, MultiStep, Cosine, Poly };

std::string to_string(ScheduleKind kind);
bool from_string(const std::string& name, ScheduleKind& kind);
const char* option_names(ScheduleKind);

/// A schedule as options; the default is a constant rate. Cosine and poly fall over the steps after the warm-up, if any
/// are left; milestones are shares of the whole run.
struct Schedule {
  ScheduleKind kind = ScheduleKind::Constant;
  std::int64_t warm_up = 0;                   ///< steps of linear warm-up
  std::vector<double> milestones{0.5, 0.75};  ///< multi_step: shares of the run, each in (0, 1]
  double gamma = 0.1;                         ///< multi_step: factor at each milestone
  double power = 0.9;                         ///< poly: exponent
  double floor = 0;                           ///< cosine and poly: the share of the rate that is left at the end

  /// The recipe of the code that the paper's authors released: learning rate × 0.1 at half and at three quarters of the
  /// run, no warm-up.
  static Schedule released() {
    Schedule schedule;
    schedule.kind = ScheduleKind::MultiStep;
    return schedule;
  }

  /// The share of the base learning rate at `step` of `total`.
  [[nodiscard]] double factor(std::int64_t step, std::int64_t total) const;

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
void check_schedule(const Schedule& schedule);

/// The same, and where its warm-up does not fit into a run of `total` steps.
void check_schedule(const Schedule& schedule, std::int64_t total);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/train/schedule-inl.hpp>
#endif
