// SPDX-License-Identifier: MIT
#include <pam/train/schedule.hpp>

#include <pam/core/options_json.hpp>

#include "support/catch.hpp"
#include "support/python.hpp"

#include <cmath>
#include <sstream>

namespace train_schedule_test {

using namespace pam;
using Catch::Matchers::Contains;

/// Only rounding may differ: factors are at most 1 and made of a handful of operations.
constexpr double kRounding = 1e-12;

TEST_CASE("schedules have the values of their formulas at hand-computed steps", "[train]") {
  CHECK(warm_up_factor(0, 4) == Approx(0.25));
  CHECK(warm_up_factor(3, 4) == 1.0);
  CHECK(warm_up_factor(0, 0) == 1.0);
  CHECK(multi_step_factor(4, 10, {0.5, 0.75}, 0.1) == 1.0);
  CHECK(multi_step_factor(5, 10, {0.5, 0.75}, 0.1) == Approx(0.1));
  CHECK(multi_step_factor(7, 10, {0.5, 0.75}, 0.1) == Approx(0.1));
  CHECK(multi_step_factor(8, 10, {0.5, 0.75}, 0.1) == Approx(0.01));
  CHECK(cosine_factor(0, 8, 0) == 1.0);
  CHECK(cosine_factor(4, 8, 0.2) == Approx(0.6));  // half way between 1 and 0.2
  CHECK(cosine_factor(2, 8, 0) == Approx((1 + std::sqrt(0.5)) / 2));
  CHECK(cosine_factor(9, 8, 0.2) == Approx(0.2));  // past the end it stays
  CHECK(poly_factor(5, 10, 2, 0) == Approx(0.25));
  CHECK(poly_factor(10, 10, 0.9, 0.1) == Approx(0.1));
}

TEST_CASE("the default schedule is a constant rate, warm-up apart", "[train]") {
  Schedule schedule;
  for (std::int64_t step = 0; step < 8; ++step) CHECK(schedule.factor(step, 8) == 1);
  schedule.warm_up = 2;
  CHECK(schedule.factor(0, 8) == 0.5);
  CHECK(schedule.factor(7, 8) == 1);
}

TEST_CASE("the released schedule is a tenth at half and a hundredth at three quarters of the run", "[train]") {
  const auto schedule = Schedule::released();
  const std::vector<double> expected{1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01};
  for (std::int64_t step = 0; step < 8; ++step) CHECK(schedule.factor(step, 8) == Approx(expected[step]));
}

TEST_CASE("a warm-up as long as the run is the schedule, and has no step of rate 0", "[train]") {
  for (const auto kind : {ScheduleKind::Constant, ScheduleKind::Cosine, ScheduleKind::Poly}) {
    Schedule schedule;
    schedule.kind = kind;
    schedule.warm_up = 4;
    CAPTURE(to_string(kind));
    for (std::int64_t step = 0; step < 4; ++step) {
      CHECK(schedule.factor(step, 4) == Approx(0.25 * static_cast<double>(step + 1)));
    }
  }
}

TEST_CASE("a milestone is passed at its own step, whatever the product of two doubles is", "[train]") {
  REQUIRE(0.55 * 100 > 55);
  CHECK(multi_step_factor(54, 100, {0.55}, 0.1) == 1.0);
  CHECK(multi_step_factor(55, 100, {0.55}, 0.1) == Approx(0.1));
}

TEST_CASE("schedules with warm-up equal PyTorch's schedulers step by step", "[train]") {
  if (!test::python_has("torch")) PAM_SKIP("needs Python with torch (Debian: python3-torch)");
  const auto printed = test::run_python(R"(
import torch, warnings
from torch.optim import lr_scheduler as s
warnings.simplefilter("ignore")
def rates(make, steps):
    o = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    m = make(o)
    for _ in range(steps):
        print(repr(o.param_groups[0]["lr"])); o.step(); m.step()
def warm(o, n, after):
    return s.SequentialLR(o, [s.LinearLR(o, start_factor=1.0 / n, total_iters=n - 1), after], [n])
rates(lambda o: s.MultiStepLR(o, [10, 15], 0.1), 20)
rates(lambda o: warm(o, 5, s.CosineAnnealingLR(o, 15, 0.05)), 20)
rates(lambda o: warm(o, 5, s.PolynomialLR(o, 15, 0.9)), 20)
rates(lambda o: s.LinearLR(o, start_factor=0.2, total_iters=4), 20)
)");
  std::vector<Schedule> schedules(4);
  schedules[0] = Schedule::released();
  schedules[1].kind = ScheduleKind::Cosine;
  schedules[1].warm_up = 5;
  schedules[1].floor = 0.05;
  schedules[2].kind = ScheduleKind::Poly;
  schedules[2].warm_up = 5;
  schedules[3].kind = ScheduleKind::Constant;
  schedules[3].warm_up = 5;
  std::istringstream rates(printed);
  for (const auto& schedule : schedules) {
    for (std::int64_t step = 0; step < 20; ++step) {
      double expected = -1;
      rates >> expected;
      CAPTURE(to_string(schedule.kind), step);
      CHECK(std::abs(schedule.factor(step, 20) - expected) < kRounding);
    }
  }
}

TEST_CASE("a schedule goes through JSON and refuses what it does not know", "[train]") {
  Schedule schedule;
  schedule.kind = ScheduleKind::Poly;
  schedule.power = 2;
  Schedule read;
  options_from_json(nlohmann::json::parse(options_to_json(schedule).dump()), read, "test");
  CHECK(read == schedule);
  CHECK_THROWS_WITH(options_from_json({{"kinds", "poly"}}, read, "config.json: schedule"),
                    Contains("config.json: schedule") && Contains("kinds") && Contains("kind"));
  CHECK_THROWS_WITH(options_from_json({{"kind", "cosin"}}, read, "config.json: schedule"),
                    Contains("config.json: schedule.kind") && Contains("\"cosine\""));
}

TEST_CASE("a schedule out of range is an error that names the field", "[train]") {
  const auto bad = [](auto change) {
    Schedule schedule;
    change(schedule);
    check_schedule(schedule, 100);
  };
  CHECK_NOTHROW(check_schedule(Schedule(), 100));
  CHECK_THROWS_WITH(bad([](auto& s) { s.warm_up = 101; }), Contains("warm_up") && Contains("100") && Contains("101"));
  CHECK_THROWS_WITH(bad([](auto& s) { s.warm_up = -1; }), Contains("warm_up") && Contains("-1"));
  CHECK_THROWS_WITH(bad([](auto& s) { s.milestones = {50}; }), Contains("milestones") && Contains("50"));
  CHECK_THROWS_WITH(bad([](auto& s) { s.gamma = 0; }), Contains("gamma"));
  CHECK_THROWS_WITH(bad([](auto& s) { s.power = -1; }), Contains("power"));
  CHECK_THROWS_WITH(bad([](auto& s) { s.floor = 2; }), Contains("floor"));
}

}  // namespace train_schedule_test
