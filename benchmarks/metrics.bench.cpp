// SPDX-License-Identifier: MIT
// Times the metrics: median milliseconds of 21 runs on one thread (or on as many as the first argument says).
#include <pam/metrics/distance_transform.hpp>
#include <pam/metrics/score_summary.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <vector>

namespace {

double median_ms(const std::function<void()>& work) {
  work();  // warm up: first touch of memory, page faults
  std::vector<double> times;
  for (int run = 0; run < 21; ++run) {
    const auto start = std::chrono::steady_clock::now();
    work();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + 10, times.end());
  return times[10];
}

/// A ball of `radius` around `centre` (a share of each side) in a uint8 volume, two steps in when `shift` is 2.
torch::Tensor ball(std::vector<std::int64_t> shape, double centre, double radius, double shift = 0) {
  auto squared = torch::zeros(shape);
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    std::vector<std::int64_t> along(shape.size(), 1);
    along[axis] = shape[axis];
    squared = squared +
              (torch::arange(shape[axis]) - (static_cast<double>(shape[axis]) * centre + shift)).square().view(along);
  }
  return (squared < radius * radius).to(torch::kByte);
}

}  // namespace

int main(int argc, char** argv) {
  at::set_num_threads(argc > 1 ? std::max(1, std::atoi(argv[1])) : 1);
  torch::manual_seed(1);
  const auto report = [](const char* what, double ms) { fmt::print("{:<64}{:>9.2f} ms\n", what, ms); };
  fmt::print("{:<64}{:>12}\n", fmt::format("{} thread(s)", at::get_num_threads()), "median");

  const auto noise = torch::rand({512, 512}) < 0.9, disc = ball({512, 512}, 0.5, 200).eq(0);
  auto single = torch::ones({512, 512}, torch::kBool);
  single[256][256] = false;
  report("distance transform 512x512, random 10 % zeros", median_ms([&] { (void)pam::distance_transform(noise); }));
  report("distance transform 512x512, disc", median_ms([&] { (void)pam::distance_transform(disc); }));
  report("distance transform 512x512, one zero", median_ms([&] { (void)pam::distance_transform(single); }));
  const auto cube = ball({128, 128, 128}, 0.5, 40).eq(0);
  report("distance transform 128x128x128, ball", median_ms([&] { (void)pam::distance_transform(cube, {2, 1, 1}); }));

  const auto flat_a = ball({512, 512}, 0.5, 150), flat_b = ball({512, 512}, 0.5, 150, 2);
  report("score_case 512x512, disc of radius 150", median_ms([&] { (void)pam::score_case(flat_a, flat_b, {}, "a"); }));
  const auto a = ball({155, 240, 240}, 0.5, 30), b = ball({155, 240, 240}, 0.5, 30, 2);
  report("score_case 155x240x240, ball of radius 30", median_ms([&] { (void)pam::score_case(a, b, {}, "b"); }));
  const auto far = ball({155, 240, 240}, 0.15, 10).logical_or(ball({155, 240, 240}, 0.85, 10)).to(torch::kByte);
  report("score_case 155x240x240, lesions in opposite corners",
         median_ms([&] { (void)pam::score_case(far, b, {}, "c"); }));
  return 0;
}
