// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <pam/core/options_json.hpp>
#include <pam/core/precision.hpp>

namespace core_precision_test {

using namespace pam;

torch::ScalarType product_type(torch::Device at = torch::kCPU) {
  return torch::matmul(torch::ones({2, 2}, at), torch::ones({2, 2}, at)).scalar_type();
}

struct Settings {
  Precision precision = Precision::Float32;
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("precision", self.precision);
  }
};

TEST_CASE("a precision is an option by name: written, read, and refused with the names there are", "[core]") {
  for (const auto* name : {"float32", "bfloat16", "float16"}) {
    Settings settings;
    options_from_json({{"precision", name}}, settings, "settings");
    REQUIRE(std::string(to_string(settings.precision)) == name);
    REQUIRE(options_to_json(settings)["precision"] == name);
  }
  Settings settings;
  REQUIRE_THROWS_WITH(options_from_json({{"precision", "half"}}, settings, "settings"),
                      Catch::Contains("settings.precision") && Catch::Contains("\"bfloat16\" or \"float16\""));
}

TEST_CASE("autocast by precision: float32 switches an outer scope off, and its end brings it back", "[core]") {
  const auto half = autocast(torch::kCPU, Precision::Bfloat16);
  REQUIRE(product_type() == torch::kBFloat16);
  {
    const auto whole = autocast(torch::kCPU, Precision::Float32);
    REQUIRE(product_type() == torch::kFloat);
  }
  REQUIRE(product_type() == torch::kBFloat16);
}

TEST_CASE("autocast by precision on a GPU concerns the GPU alone, in bfloat16 and float16", "[core][gpu]") {
  if (!torch::cuda::is_available()) PAM_SKIP("no GPU");
  for (const auto precision : {Precision::Bfloat16, Precision::Float16}) {
    const auto half = autocast(torch::kCUDA, precision);
    REQUIRE(product_type(torch::kCUDA) == scalar_type(precision));
    REQUIRE(product_type(torch::kCPU) == torch::kFloat);
  }
  REQUIRE(product_type(torch::kCUDA) == torch::kFloat);
}

TEST_CASE("float16 on a CPU is refused with what to take instead", "[core]") {
  REQUIRE_THROWS_WITH(autocast(torch::kCPU, Precision::Float16), Catch::Contains("use bfloat16 or float32"));
  REQUIRE_NOTHROW(check_precision(Precision::Float16, torch::Device(torch::kCUDA, 0)));
}

}  // namespace core_precision_test
