// SPDX-License-Identifier: MIT
#include <pam/core/reversible.hpp>

#include "support/catch.hpp"

namespace core_reversible_test {

using namespace pam;

struct KnowingImpl : torch::nn::Module, Reversible {
  explicit KnowingImpl(bool reversed) : reversed_(reversed) {}
  bool reversed() const override { return reversed_; }
  bool reversed_;
};
TORCH_MODULE(Knowing);

struct OptionsOnlyImpl : torch::nn::Module {
  struct Options {
    bool reversed() const { return true; }
  } options;
};
TORCH_MODULE(OptionsOnly);

struct WrapperImpl : torch::nn::Module {
  explicit WrapperImpl(const std::vector<bool>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) register_module("part" + std::to_string(i), Knowing(parts[i]));
  }
};
TORCH_MODULE(Wrapper);

TEST_CASE("a net says whether it learns reversed labels, as a holder, a module, and behind a base", "[core]") {
  const Knowing net(true);
  CHECK(reversed_of(net) == true);
  CHECK(reversed_of(*net) == true);
  const torch::nn::Module& base = *net;
  CHECK(reversed_of(base) == true);
  CHECK(reversed_of(Knowing(false)) == false);
  CHECK(reversed_of(OptionsOnly()) == true);
  CHECK(reversed_of(torch::nn::Conv2d(torch::nn::Conv2dOptions(1, 1, 1))) == std::nullopt);
  const std::shared_ptr<torch::nn::Module> pointer = net.ptr();
  CHECK(reversed_of(pointer) == true);
}

TEST_CASE("a wrapper says what the nets in it agree on", "[core]") {
  CHECK(reversed_of(Wrapper(std::vector<bool>{true})) == true);
  CHECK(reversed_of(Wrapper(std::vector<bool>{false, false})) == false);
  CHECK(reversed_of(Wrapper(std::vector<bool>{false, true})) == std::nullopt);
  CHECK(reversed_of(Wrapper(std::vector<bool>{})) == std::nullopt);
}

}  // namespace core_reversible_test
