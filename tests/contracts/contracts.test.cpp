// SPDX-License-Identifier: MIT
// What every block, attention and net promises, over the type lists of cases.hpp.
#include "contracts/cases.hpp"

#include <pam/core/clone.hpp>
#include <pam/core/inspect.hpp>
#include <pam/core/options_json.hpp>

#include "support/gradcheck.hpp"
#include "support/tensor_matchers.hpp"

#include <fstream>
#include <map>
#include <sstream>

namespace contracts_test {

using namespace pam;
using namespace pam::test;

/// True for parameters whose gradient is zero until the first step, by design: GCNet starts its last convolution at
/// zero, which hides all that lies before it (anchors.md C2).
template <typename Holder>
bool hidden_at_first(const Holder& module, const std::string& name) {
  if constexpr (std::is_same_v<Holder, GlobalContext>) {
    return module->options.zero_init() && name.rfind("expand.", 0) != 0;
  }
  return false;
}

TEMPLATE_LIST_TEST_CASE("gradient reaches every parameter and the input", "[contracts]", Everything) {
  std::map<std::string, float> largest;
  // Several draws: at 8 channels a bottleneck is one hidden unit, which ReLU may silence for a whole batch.
  for (const int draw : {1, 2, 3, 4, 5, 6}) {
    torch::manual_seed(draw);
    auto module = TestType::make();
    auto x = TestType::input().requires_grad_();
    auto y = module(x);
    y.backward(torch::randn_like(y));
    REQUIRE(x.grad().abs().max().template item<float>() > 0);
    for (const auto& p : module->named_parameters()) {
      CAPTURE(p.key());
      REQUIRE(p.value().grad().defined());
      REQUIRE(torch::isfinite(p.value().grad()).all().template item<bool>());
      auto& most = largest[p.key()];
      most = std::max(most, p.value().grad().abs().max().template item<float>());
      if (draw == 6) REQUIRE((most > 0) == !hidden_at_first(module, p.key()));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("gradients equal finite differences in float64", "[contracts][gradcheck]", Everything) {
  torch::manual_seed(2);
  auto module = TestType::make();
  module->to(torch::kDouble);
  auto x = TestType::input(torch::kDouble).requires_grad_();
  const auto weights = torch::randn_like(module(x));
  const auto f = [&] { return (module(x) * weights).sum(); };
  // Step 1e-7: the instance norms of RFNA's 2x2 maps bend so much that 1e-6 left 5e-4 (UNet<Rfna>, 65 pixels). Rounding
  // leaves ~1e-7 then; a ReLU within a step of its kink leaves more, and 1e-4 still catches any wrong term.
  const double step = 1e-7;
  REQUIRE(gradient_error(f, x, 8, step) < 1e-4);
  auto parameters = module->parameters();
  for (std::size_t i = 0; i < parameters.size(); i += std::max<std::size_t>(1, parameters.size() / 8)) {
    CAPTURE(i);
    REQUIRE(gradient_error(f, parameters[i], 3, step) < 1e-4);
  }
}

/// The gradients of sum(w y^2) for the input and all parameters under create_graph, then those of the squared length of
/// the input's gradient, as a gradient penalty takes them; undefined ones as zeros.
template <typename Module>
std::vector<torch::Tensor> first_and_second_gradients(Module& module, const torch::Tensor& input,
                                                      const torch::Tensor& weights) {
  const auto x = input.clone().requires_grad_();
  auto wanted = module->parameters();
  wanted.insert(wanted.begin(), x);
  auto result = torch::autograd::grad({(module(x).pow(2) * weights).sum()}, wanted, {}, true, /*create_graph=*/true,
                                      /*allow_unused=*/true);
  const auto penalty = result[0].pow(2).sum();
  for (const auto& g : torch::autograd::grad({penalty}, wanted, {}, {}, {}, /*allow_unused=*/true)) result.push_back(g);
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = result[i].defined() ? result[i].detach() : torch::zeros_like(wanted[i % wanted.size()]);
  }
  return result;
}

TEMPLATE_LIST_TEST_CASE("gradients under create_graph, and of a gradient penalty, are the reference backend's",
                        "[contracts]", Everything) {
  torch::manual_seed(4);
  auto module = TestType::make();
  const auto x = TestType::input();
  const auto weights = torch::rand_like(module(x).detach());  // without them a norm makes sum(y^2) a constant
  const auto fused = first_and_second_gradients(module, x, weights);
  module->to(torch::kDouble);
  kernels::set_backend(*module, kernels::Backend::Reference);
  const auto reference = first_and_second_gradients(module, x.to(torch::kDouble), weights.to(torch::kDouble));
  double largest = 0;
  for (const auto& g : reference) largest = std::max(largest, g.abs().max().template item<double>());
  for (std::size_t i = 0; i < fused.size(); ++i) {
    CAPTURE(i);
    // float32 against float64, twice through the instance norms of small maps: 1e-2 of a tensor's largest entry, where
    // a gradient counted twice is off by 1. A norm undoes the scale of a depth-wise convolution before it, whose
    // gradient is then rounding alone: hence the millionth of the largest of all.
    REQUIRE_THAT(fused[i], IsClose(reference[i]).rtol(1e-2).atol(1e-6 * largest).of_largest());
  }
}

TEMPLATE_LIST_TEST_CASE("evaluation is deterministic", "[contracts]", Everything) {
  auto module = TestType::make();
  module->eval();
  const auto x = TestType::input();
  REQUIRE(torch::equal(module(x), module(x)));
}

TEMPLATE_LIST_TEST_CASE("samples of a batch do not see each other", "[contracts]", Everything) {
  auto module = TestType::make();
  module->eval();  // the original CBAM and GE hold batch norms
  const auto x = TestType::input();
  const auto together = module(x);
  // Convolutions may pick another algorithm for another batch size: float32 rounding over the layers of a net.
  REQUIRE_THAT(module(x.slice(0, 1, 2)), IsClose(together.slice(0, 1, 2)).rtol(1e-4).of_largest());
}

TEMPLATE_LIST_TEST_CASE("a clone is equal, independent, named alike and keeps frozen layers frozen", "[contracts]",
                        Everything) {
  auto module = TestType::make();
  auto parameters = module->parameters();
  if (!parameters.empty()) parameters[0].set_requires_grad(false);
  const auto before = rng_state();
  auto copy = typed_clone(module);
  REQUIRE(torch::equal(before, rng_state()));
  const auto x = TestType::input();
  const auto y = module(x).detach();
  REQUIRE(torch::equal(copy(x), y));
  REQUIRE(copy->named_parameters().keys() == module->named_parameters().keys());
  {
    torch::NoGradGuard no_grad;
    for (auto& p : parameters) p.add_(1);
  }
  REQUIRE(torch::equal(copy(x), y));
  if (!parameters.empty()) REQUIRE(!copy->parameters()[0].requires_grad());
}

TEMPLATE_LIST_TEST_CASE("torch::save and torch::load keep the output", "[contracts]", Everything) {
  auto module = TestType::make();
  auto other = TestType::make();
  std::stringstream stream;
  torch::save(module, stream);
  torch::load(other, stream);
  const auto x = TestType::input();
  REQUIRE(torch::equal(other(x), module(x)));
}

TEMPLATE_LIST_TEST_CASE("moves to float64 and back", "[contracts]", Everything) {
  auto module = TestType::make();
  const auto x = TestType::input();
  const auto y = module(x);
  module->to(torch::kDouble);
  const auto wide = module(x.to(torch::kDouble));
  REQUIRE(wide.scalar_type() == torch::kDouble);
  // float32 against float64 over the depth of a net; instance norms of small maps amplify rounding.
  REQUIRE_THAT(y, IsClose(wide).rtol(1e-3).of_largest());
}

TEMPLATE_LIST_TEST_CASE("options print and round-trip through JSON", "[contracts]", Everything) {
  const auto module = TestType::make();
  const auto text = c10::str(module);
  REQUIRE(text.rfind("pam::", 0) == 0);
  const auto json = options_to_json(module->options);
  auto read = std::decay_t<decltype(module->options)>();
  options_from_json(json, read, "test");
  REQUIRE(read == module->options);
  REQUIRE_THROWS_WITH(options_from_json({{"strid", 2}}, read, "net.json"),
                      Catch::Contains("net.json") && Catch::Contains("strid") && Catch::Contains("did you mean"));
}

TEMPLATE_LIST_TEST_CASE("inspection returns the maps of the same forward pass", "[contracts]", Everything) {
  auto module = TestType::make();
  const auto x = TestType::input();
  const auto y = module(x);
  const auto found = inspectables(*module);
  for (const auto& [name, part] : found) part->inspect(true);
  // The inspected pass may take the reference path where the plain one is fused: rounding only.
  const auto inspected = module(x);
  REQUIRE_THAT(inspected, IsClose(y).rtol(1e-4).of_largest());
  for (const auto& [name, part] : found) {
    CAPTURE(name);
    const auto& record = part->record();
    if (!record.gated.defined()) continue;  // a block whose branch is switched off has nothing to show
    // What a block, an attention, or Attended's attention returned is what the whole module returned.
    if (name.empty() || name == "attention") REQUIRE(torch::equal(record.gated, inspected));
    REQUIRE(record.attention.min().template item<float>() >= 0);
    REQUIRE(record.features.sizes() == record.gated.sizes());
    REQUIRE(!record.gated.requires_grad());
  }
  auto copy = typed_clone(module);
  for (const auto& [name, part] : inspectables(*copy)) REQUIRE(!part->inspecting());
}

TEMPLATE_LIST_TEST_CASE("blocks honour channels and stride at odd and even sizes", "[contracts]", Blocks) {
  auto options = TestType::options();
  static_assert(is_block_v<typename TestType::Holder>);
  for (const std::int64_t stride : {1, 2}) {
    options.stride(stride);
    typename TestType::Holder block(options);
    for (const auto& [h, w] : std::vector<std::pair<std::int64_t, std::int64_t>>{{18, 33}, {37, 20}}) {
      const auto y = block(torch::randn({1, 3, h, w}));
      REQUIRE(y.sizes() == at::IntArrayRef({1, 6, (h + stride - 1) / stride, (w + stride - 1) / stride}));
    }
  }
  typename TestType::Holder block(options);
  REQUIRE_THROWS_WITH(block(torch::randn({1, 4, 40, 40})), Catch::Contains("3 channels") && Catch::Contains("got 4"));
}

TEMPLATE_LIST_TEST_CASE("attentions keep the shape and name their channels", "[contracts]", Attentions) {
  static_assert(is_attention_v<typename TestType::Holder>);
  auto module = TestType::make();
  const auto x = TestType::input();
  REQUIRE(module(x).sizes() == x.sizes());
  REQUIRE_THROWS_WITH(module(torch::randn({1, 5, 19, 17})), Catch::Contains("8 channels") && Catch::Contains("got 5"));
}

TEMPLATE_LIST_TEST_CASE("nets work from min_size() up and refuse one pixel less", "[contracts]", Nets) {
  auto net = TestType::make();
  const auto n = net->min_size();
  torch::NoGradGuard no_grad;
  REQUIRE(net(torch::randn({1, 2, n, n})).sizes() == at::IntArrayRef({1, 1, n, n}));
  REQUIRE(net(torch::randn({1, 2, n + 2, n + 5})).sizes() == at::IntArrayRef({1, 1, n + 2, n + 5}));
  REQUIRE_THROWS_WITH(net(torch::randn({1, 2, n - 1, n - 1})),
                      Catch::Contains("at least " + std::to_string(n)) && Catch::Contains("min_size"));
}

/// The outputs and parameters' gradients of a case on the GPU against the CPU's.
template <typename Case>
void check_on_cuda() {
  torch::manual_seed(8);
  auto module = Case::make();
  auto moved = typed_clone(module);
  moved->to(torch::kCUDA);
  CAPTURE(c10::str(module));
  const auto x = Case::input();
  const auto y = module(x), far = moved(x.to(torch::kCUDA));
  REQUIRE(far.is_cuda());
  // Without TF32, float32 in another order over the depth of a net; instance norms of small maps amplify rounding.
  REQUIRE_THAT(far, IsClose(y).rtol(1e-3).of_largest());
  const auto dy = torch::randn_like(y);
  y.backward(dy), far.backward(dy.to(torch::kCUDA));
  double largest = 0;
  for (const auto& p : module->parameters()) largest = std::max(largest, p.grad().abs().max().template item<double>());
  const auto parameters = module->parameters(), copies = moved->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    CAPTURE(i);
    REQUIRE(copies[i].is_cuda());
    REQUIRE_THAT(copies[i].grad(), IsClose(parameters[i].grad()).rtol(1e-2).atol(1e-5 * largest).of_largest());
  }
}
template <typename... Cases>
void check_all_on_cuda(const std::tuple<Cases...>*) {
  (check_on_cuda<Cases>(), ...);
}

TEST_CASE("every module moves to a GPU and computes there what it does on the CPU", "[contracts][gpu]") {
  if (!torch::cuda::is_available()) PAM_SKIP("no GPU");
  const bool tf32 = at::globalContext().allowTF32CuDNN();
  at::globalContext().setAllowTF32CuDNN(false);
  check_all_on_cuda(static_cast<const Everything*>(nullptr));
  at::globalContext().setAllowTF32CuDNN(tf32);
}

/// Parameter names and shapes of everything, one line each.
template <typename Case>
void append_names(std::ostream& stream) {
  const auto module = Case::make();
  std::ostringstream title;
  module->pretty_print(title);
  stream << title.str() << '\n';
  for (const auto& p : module->named_parameters()) stream << "  " << p.key() << ' ' << shape_string(p.value()) << '\n';
}
template <typename... Cases>
std::string all_names(const std::tuple<Cases...>*) {
  std::ostringstream stream;
  (append_names<Cases>(stream), ...);
  return stream.str();
}

TEST_CASE("parameter names are frozen", "[contracts]") {
  // Weights in users' files carry these names. A change here needs a "Checkpoints" line in CHANGELOG.md and a rename on
  // load; then write the new list with PAM_UPDATE_NAMES=1.
  const auto path = std::string(PAM_SOURCE_DIR) + "/tests/contracts/parameter_names.txt";
  const auto names = all_names(static_cast<const Everything*>(nullptr));
  if (std::getenv("PAM_UPDATE_NAMES") != nullptr) std::ofstream(path) << names;
  std::ifstream file(path);
  std::stringstream frozen;
  frozen << file.rdbuf();
  REQUIRE(names == frozen.str());
}

}  // namespace contracts_test
