// SPDX-License-Identifier: MIT
#include "../../benchmarks/mac_counter.hpp"

#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/global_context.hpp>

#include "support/catch.hpp"

namespace benchmarks_mac_counter_test {

using namespace pam;

TEST_CASE("multiply-accumulates of blocks agree with a count by hand", "[benchmarks]") {
  const auto x = torch::randn({1, 64, 80, 80});
  torch::NoGradGuard no_grad;
  ConvBlock plain(ConvBlockOptions(64, 128).stride(2));
  const std::int64_t convolutions = 40 * 40 * 128 * (64 * 9 + 128 * 9);
  REQUIRE(bench::count_macs([&] { plain(x); }) == convolutions);

  FalsePositiveAttention fpa(FalsePositiveAttentionOptions(64, 128).stride(2));
  const std::int64_t branch = 40 * 40 * (64 * 512 + 2 * 512 * 9 + 512 * 128);  // E, D twice and depth-wise, P
  REQUIRE(bench::count_macs([&] { fpa(x); }) == convolutions + branch);
  // The branch whose D is full: 512 times as much in D.
  FalsePositiveAttention full(FalsePositiveAttentionOptions(64, 128).stride(2).depthwise(false));
  REQUIRE(bench::count_macs([&] { full(x); }) == convolutions + branch + std::int64_t{40} * 40 * 2 * 512 * 9 * 511);
}

TEST_CASE("the values that products read and write agree with a count by hand", "[benchmarks]") {
  torch::NoGradGuard no_grad;
  ConvBlock plain(ConvBlockOptions(64, 128).stride(2));
  const auto work = bench::count_work([&] { plain(torch::randn({1, 64, 80, 80})); });
  const std::int64_t map = 128 * 40 * 40;  // written by the first convolution, read and written by the second
  REQUIRE(work.values == 64 * 80 * 80 + 3 * map + 128 * 64 * 9 + 128 * 128 * 9);
}

TEST_CASE("matrix products count, and the counter leaves nothing behind", "[benchmarks]") {
  torch::NoGradGuard no_grad;
  GlobalContext context(GlobalContextOptions(32));
  const auto x = torch::randn({2, 32, 6, 5});
  // Mask, weighted mean (a matrix product), and the two 1x1 convolutions of one pixel.
  REQUIRE(bench::count_macs([&] { context(x); }) == 2 * (30 * 32 + 30 * 32 + 32 * 4 + 4 * 32));
  REQUIRE(bench::count_macs([&] {
            torch::addmm(torch::zeros({3, 5}), torch::ones({3, 7}), torch::ones({7, 5}));
          }) == 3 * 7 * 5);
  const auto backend = kernels::default_backend();
  REQUIRE_THROWS(bench::count_macs([] { throw std::runtime_error("x"); }));
  REQUIRE(kernels::default_backend() == backend);
  REQUIRE(bench::count_macs([] {}) == 0);
}

}  // namespace benchmarks_mac_counter_test
