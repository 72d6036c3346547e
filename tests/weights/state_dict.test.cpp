// SPDX-License-Identifier: MIT
#include <pam/weights/state_dict.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"

namespace weights_state_dict_test {
using namespace pam;

TEST_CASE("a state dict has parameters and buffers in the order of Python's state_dict()", "[weights]") {
  torch::nn::Module net;
  net.register_module("conv", torch::nn::Conv2d(3, 2, 1));
  const auto child = net.register_module("inner", std::make_shared<torch::nn::Module>());
  child->register_module("norm", torch::nn::BatchNorm2d(2));
  child->register_parameter("scale", torch::ones({1}));
  net.register_module("head", torch::nn::Linear(2, 2));
  net.register_buffer("steps", torch::zeros({}));
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state_dict(net)) names.push_back(name);
  // What Python 3.11 with torch 1.13 lists for the same module.
  CHECK(names == std::vector<std::string>{"steps", "conv.weight", "conv.bias", "inner.scale", "inner.norm.weight",
                                          "inner.norm.bias", "inner.norm.running_mean", "inner.norm.running_var",
                                          "inner.norm.num_batches_tracked", "head.weight", "head.bias"});
}

TEST_CASE("the tensors of a state dict share memory with the module and carry no gradient", "[weights]") {
  torch::nn::Linear layer(2, 2);
  const auto weight = find_tensor(state_dict(*layer), "weight");
  CHECK(weight.data_ptr() == layer->weight.data_ptr());
  CHECK_FALSE(weight.requires_grad());
  CHECK_FALSE(find_tensor(state_dict(*layer), "wait").defined());
}

TEST_CASE("undefined parameters are left out", "[weights]") {
  torch::nn::Conv2d layer(torch::nn::Conv2dOptions(1, 1, 1).bias(false));
  CHECK(state_dict(*layer).size() == 1);
}

TEST_CASE("tensors that no weight file can hold are refused by name", "[weights]") {
  const auto message = [](const StateDict& tensors) {
    return pam::test::message_of<Error>([&] { pam::detail::check_writable("a.pt", tensors); });
  };
  const auto one = torch::ones({1});
  CHECK_THAT(message({{"w", one}, {"w", one}}), Catch::Contains("a.pt") && Catch::Contains("'w'") &&
                                                    Catch::Contains("unique"));
  CHECK_THAT(message({{"w", torch::Tensor()}}), Catch::Contains("'w' is undefined"));
  CHECK_THAT(message({{"w", one.to_sparse()}}), Catch::Contains("sparse"));
  CHECK_THAT(message({{"w", torch::ones({1}, torch::kComplexFloat)}}), Catch::Contains("ComplexFloat"));
}

TEST_CASE("text from files is printed short and without control characters", "[weights]") {
  CHECK(pam::detail::printable("a\x1b[31m\n") == "a?[31m?");
  CHECK(pam::detail::printable(std::string(500, 'x')).size() == 123);
}
}  // namespace weights_state_dict_test
