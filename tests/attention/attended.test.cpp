// SPDX-License-Identifier: MIT
#include <pam/attention/attended.hpp>

#include "support/tensor_matchers.hpp"

namespace attention_attended_test {

using namespace pam;

// An attention of one's own: halves everything, and needs 6 pixels per side.
struct HalfOptions {
  TORCH_ARG(std::int64_t, channels) = 0;

 public:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("channels", self.channels_);
  }
};
struct HalfImpl final : torch::nn::Cloneable<HalfImpl> {
  using Options = HalfOptions;
  explicit HalfImpl(const Options& o) : options(o) {}
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& x) { return x * 0.5; }
  std::int64_t min_size() const { return 6; }
  Options options;
};
TORCH_MODULE(Half);

TEST_CASE("Attended is the block, then the attention", "[attention]") {
  Attended<Half> block(AttendedOptions<Half>(3, 8).stride(2));
  const auto x = torch::randn({1, 3, 20, 20});
  REQUIRE(torch::equal(block(x), block->block(x) * 0.5));
  REQUIRE(block->attention->options.channels() == 8);
  REQUIRE(block->min_size() == 11);  // ceil(11 / 2) = 6
}

TEST_CASE("Attended with its attention switched off is the plain block", "[attention]") {
  Attended<Half> block(AttendedOptions<Half>(3, 8).stride(2).attend(false));
  const auto x = torch::randn({1, 3, 20, 20});
  REQUIRE(torch::equal(block(x), block->block(x)));
  REQUIRE(block->attention.is_empty());
  REQUIRE(block->min_size() == 3);
}

static_assert(is_attention_v<Half> && is_block_v<Attended<Half>>);
static_assert(!is_attention_v<ConvBlock> && !is_attention_v<HalfImpl>);

}  // namespace attention_attended_test
