// SPDX-License-Identifier: MIT
// Weights and activations that are NaN or infinite end in an error that names what is at fault, never in a mask.
#include <pam/attention/attended.hpp>
#include <pam/attention/cbam.hpp>
#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/images/nifti.hpp>
#include <pam/inference/load_network.hpp>
#include <pam/inference/non_finite_error.hpp>
#include <pam/inference/predict_case.hpp>
#include <pam/inference/predictor.hpp>
#include <pam/nets/unet.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

#include <cmath>
#include <limits>

namespace inference_non_finite_error_test {

using namespace pam;
using Catch::Contains;
using test::message_of;
using test::TempDir;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <typename Block>
Network small_net(const std::string& name) {
  torch::manual_seed(4);
  Network net(name, UNet<Block>(UNetOptions<Block>(1, 1).width(4)));
  net->eval();
  return net;
}

torch::Tensor parameter(const Network& net, const std::string& name) {
  return find_tensor(state_dict(*net), name);  // shares memory with the net
}

TEST_CASE("weights that are NaN or infinite are refused by the tensor's name in the file", "[inference]") {
  const TempDir folder;
  for (const char* extension : {".safetensors", ".pt"}) {
    for (const auto& [name, value] : std::vector<std::pair<std::string, float>>{
             {"head.weight", kNan}, {"stem.conv1.conv.weight", kInfinity}, {"stage2.conv1.norm.bias", -kInfinity}}) {
      CAPTURE(extension, name, value);
      const auto net = small_net<ConvBlock>("unet");
      const auto path = folder / (std::string("net") + extension);
      parameter(net, name).view(-1)[1] = value;
      save_network(net, path);
      const auto text = message_of<Error>([&] { static_cast<void>(load_network(path)); });
      CHECK_THAT(text, Contains(path.string()) && Contains("'" + name + "'") && Contains("holds 1 of"));
      CHECK_THAT(text, Contains(std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"));
      CHECK_THROWS_WITH(Predictor(path), Contains("'" + name + "'"));
      // Raw loading refuses them where it is asked to, and leaves the net as it was.
      auto fresh = small_net<ConvBlock>("unet");
      const auto before = parameter(fresh, name).clone();
      LoadOptions strict;
      strict.require_finite = true;
      CHECK_THROWS_WITH(load_weights(fresh, path, strict), Contains("'" + name + "'"));
      CHECK(torch::equal(parameter(fresh, name), before));
      CHECK(load_weights(fresh, path).complete());
    }
  }
}

TEST_CASE("weights that are finite in the file and too large for the net's type are refused", "[inference]") {
  const TempDir folder;
  const auto net = small_net<ConvBlock>("unet");
  save_network(net, folder / "net.safetensors");
  auto file = read_weights(folder / "net.safetensors");
  const auto refusal = [&](torch::ScalarType type, double value) {
    auto tensors = file.tensors;
    for (auto& [name, tensor] : tensors) {
      if (name == "head.weight") tensor = tensor.to(type), tensor.view(-1)[2] = value;
    }
    write_safetensors(folder / "wide.safetensors", tensors, file.metadata);
    return message_of<Error>([&] { static_cast<void>(load_network(folder / "wide.safetensors")); });
  };
  CHECK_THAT(refusal(torch::kDouble, 1e39),
             Contains("'head.weight'") && Contains("no finite Float number") && Contains("at [0, 2, 0, 0], is 1e+39"));
  CHECK_THAT(refusal(torch::kHalf, kInfinity), Contains("'head.weight'") && Contains("inf"));
  CHECK(refusal(torch::kDouble, 1e38) == "no error");
}

/// Whether a prediction with parameter `name` times `factor` is refused; where it is not, it must be what the same net
/// computes in float64, which does not overflow.
template <typename Block>
bool refused_or_right(const std::string& zoo_name, const std::string& name, double factor) {
  CAPTURE(zoo_name, name, factor);
  const Network net = small_net<Block>(zoo_name);
  {
    torch::NoGradGuard no_grad;
    parameter(net, name).mul_(factor);
  }
  torch::manual_seed(7);
  const auto planes = torch::randn({2, 1, 72, 70});
  const Predictor predictor(net);
  torch::Tensor found;
  try {
    found = predictor.probabilities_of_planes(planes);
  } catch (const NonFiniteError&) {
    return true;
  }
  torch::NoGradGuard no_grad;
  net->to(torch::kDouble);
  const torch::Tensor exact = net.probabilities(planes.to(torch::kDouble)).to(torch::kFloat);
  const auto difference = (found - exact).abs().mean().item<double>();
  CAPTURE(difference);
  // float32 through some 20 norms: 1e-5 is usual. A mean, because a huge factor makes a step of each sigmoid: single
  // pixels at its foot may fall to either side. A plane that overflowed to a constant differs everywhere.
  CHECK(difference < 1e-3);
  return false;
}

TEMPLATE_TEST_CASE("weights so large that activations overflow give an error or the right probabilities", "[inference]",
                   ConvBlock, FalsePositiveAttention, ReverseFalseNegativeAttention, Attended<CBAM>) {
  const std::string name = std::is_same_v<TestType, ConvBlock>                ? "unet"
                           : std::is_same_v<TestType, FalsePositiveAttention> ? "fpa"
                           : std::is_same_v<TestType, Attended<CBAM>>         ? "cbamunet"
                                                                              : "rfna";
  std::vector<std::string> names;
  for (const auto& [parameter, tensor] : state_dict(*small_net<TestType>(name))) {
    if (parameter.find("conv1.conv.weight") != std::string::npos ||
        parameter.find("norm.weight") != std::string::npos || parameter.find("head") != std::string::npos ||
        parameter.find("project") != std::string::npos) {
      names.push_back(parameter);
    }
  }
  REQUIRE(names.size() > 5);
  int refused = 0;
  for (std::size_t i = 0; i < names.size(); i += 3) {  // all parts of the net, a third of its tensors
    for (const double factor : {1e12, 1e20, 1e30, 1e38}) refused += refused_or_right<TestType>(name, names[i], factor);
  }
  CHECK(refused > 0);
}

/// One channel in, one out: infinite, NaN or large where the input is 100, 200 or 300; else the input.
struct MarkedImpl : torch::nn::Module {
  torch::Tensor forward(const torch::Tensor& x) {
    auto y = x.clone();
    y.masked_fill_(x.eq(100), kInfinity);
    y.masked_fill_(x.eq(200), kNan);
    y.masked_fill_(x.eq(300), 3e38F);  // finite: a probability of 1
    return y;
  }
};
TORCH_MODULE(Marked);

TEST_CASE("the error names the slice, in windows, batches and mirror images too", "[inference]") {
  const Marked net;
  for (const double mark : {100., 200., 300.}) {
    auto planes = torch::full({7, 1, 40, 30}, -5.);  // clearly background
    planes[5][0][39][29] = mark;
    for (const std::int64_t window : {0, 16}) {
      for (const bool flip : {false, true}) {
        CAPTURE(mark, window, flip);
        PredictorOptions how;
        how.batch = 3;
        how.window = window;
        how.flip = flip;
        const Predictor predictor(net, {}, how);
        if (mark == 300) {
          CHECK(predictor.labels_of_planes(planes).sum().item<std::int64_t>() == 1);
          continue;
        }
        const auto text = message_of<NonFiniteError>([&] { static_cast<void>(predictor.labels_of_planes(planes)); });
        CHECK_THAT(text, Contains("slice 5 (of 7, counted from 0)") && Contains(": 1 of "));
      }
    }
  }
  const auto picture = torch::full({1, 1, 8, 8}, 200.);
  const auto text = message_of<NonFiniteError>([&] { static_cast<void>(Predictor(net).labels_of_planes(picture)); });
  CHECK_THAT(text, Contains("predict: 64 of 64 values"));
}

/// A net whose last layer computes in float16, as under autocast on a GPU: what is beyond 65504 becomes infinite.
struct HalfImpl : torch::nn::Module {
  torch::Tensor forward(const torch::Tensor& x) { return (x * 1000).to(torch::kHalf); }
};
TORCH_MODULE(Half);

TEST_CASE("what overflows float16 stops a prediction", "[inference]") {
  const Predictor predictor(Half{});
  auto planes = torch::full({3, 1, 16, 16}, -60.);
  CHECK(predictor.labels_of_planes(planes).sum().item<std::int64_t>() == 0);  // -60000: float16 holds it
  planes[1][0][3][4] = 70;
  CHECK_THROWS_WITH(predictor.labels_of_planes(planes), Contains("slice 1 (of 3, counted from 0): 1 of 256"));
}

TEST_CASE("a net whose activations overflow float16 stops a prediction on a GPU; a CPU refuses float16",
          "[inference]") {
  const auto net = small_net<ConvBlock>("unet");
  {
    torch::NoGradGuard no_grad;
    parameter(net, "head.weight").mul_(1e6F);  // its logits are finite in float32, and beyond 65504
  }
  torch::manual_seed(7);
  const auto planes = torch::randn({2, 1, 72, 70});
  CHECK(Predictor(net).probabilities_of_planes(planes).isfinite().all().item<bool>());
  PredictorOptions how;
  how.precision = Precision::Float16;
  CHECK_THROWS_WITH(Predictor(net, {}, how), Contains("a CPU does not compute in it"));
  if (!torch::cuda::is_available()) PAM_SKIP("no GPU: float16 itself is not computed in");
  how.device = torch::kCUDA;
  CHECK_THROWS_AS(Predictor(net, {}, how).labels_of_planes(planes), NonFiniteError);
}

TEST_CASE("of a case from a file the error names case and slice", "[inference]") {
  const TempDir folder;
  auto scan = torch::zeros({4, 20, 20});
  scan[2][3][4] = 200;
  write_nifti(folder / "scan.nii", scan);
  CaseOptions plain;
  plain.normalise = Normalise::None;
  const Predictor predictor(Marked(), plain);
  const CaseFiles files{"scan", {folder / "scan.nii"}, {}};
  const auto text = message_of<NonFiniteError>([&] { static_cast<void>(predict_case(predictor, files)); });
  CHECK_THAT(text, Contains("case scan: slice 2 (of 4, counted from 0): 1 of 400"));
  try {
    static_cast<void>(predictor.probabilities_of_planes(scan.unsqueeze(1).narrow(0, 1, 2)));
    FAIL("nothing was thrown");
  } catch (const NonFiniteError& error) {
    CHECK(error.plane() == 1);
    CHECK_THAT(error.in_case("scan", 1, 4).what(), Contains("case scan: slice 2 (of 4"));
  }
}

}  // namespace inference_non_finite_error_test
