#!/usr/bin/env bash
# What pam adds to the compilation of a file: CPU seconds of g++ -O2, the least of ROUNDS (default 3) interleaved runs,
# over a file that includes <torch/torch.h> alone. For docs/compiled.md; on a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
torch=${TORCH_INCLUDE:-/usr/include/torch/csrc/api/include}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

write() { # NAME BODY INCLUDE...: a program
  local name=$1 body=$2
  shift 2
  { printf '#include <%s>\n' torch/torch.h "$@" && echo "$body"; } >"$dir/$name.cpp"
}
write none 'int main() {}'
write plain 'struct NetImpl : torch::nn::Cloneable<NetImpl> {
  void reset() override {
    convolution = register_module("convolution", torch::nn::Conv2d(torch::nn::Conv2dOptions(4, 8, 3).padding(1)));
    norm = register_module("norm", torch::nn::InstanceNorm2d(torch::nn::InstanceNorm2dOptions(8).affine(true)));
  }
  torch::Tensor forward(const torch::Tensor& x) { return torch::relu(norm(convolution(x))); }
  torch::nn::Conv2d convolution{nullptr};
  torch::nn::InstanceNorm2d norm{nullptr};
};
TORCH_MODULE(Net);
int main() { return static_cast<int>(Net()(torch::randn({1, 4, 32, 32})).size(0)); }'
write block 'int main() {
  pam::FalsePositiveAttention block(pam::FalsePositiveAttentionOptions(4, 8).stride(2));
  return static_cast<int>(block(torch::randn({1, 4, 32, 32})).size(0));
}' pam/attention/false_positive_attention.hpp
write unet 'int main() {
  pam::UNet net(pam::UNetOptions<pam::FalsePositiveAttention>(4, 1).width(8));
  return static_cast<int>(net->probabilities(torch::randn({1, 4, 64, 64})).size(0));
}' pam/pam.hpp

for ((round = 0; round < ${ROUNDS:-3}; ++round)); do
  for file in none plain block unet "block -DPAM_COMPILED" "unet -DPAM_COMPILED"; do
    read -r name flag <<<"$file"
    TIMEFORMAT="%U %S $file"
    time g++ -O2 -std=c++17 -fopenmp -DFMT_HEADER_ONLY ${flag:+"$flag"} -Iinclude -isystem "$torch" -c -o /dev/null "$dir/$name.cpp"
  done
done 2>&1 | awk '
  { seconds = $1 + $2; name = $3 " " $4; if (!(name in least) || seconds < least[name]) least[name] = seconds }
  END {
    none = least["none "]
    printf "%-52s %6.1f s\n", "<torch/torch.h> alone", none
    printf "%-52s %+6.1f s\n", "a module of one convolution and one norm, without pam", least["plain "] - none
    printf "%-52s %+6.1f s\n", "one block, header-only", least["block "] - none
    printf "%-52s %+6.1f s\n", "one block, pam::compiled", least["block -DPAM_COMPILED"] - none
    printf "%-52s %+6.1f s\n", "UNet from the umbrella, header-only", least["unet "] - none
    printf "%-52s %+6.1f s\n", "UNet from the umbrella, pam::compiled", least["unet -DPAM_COMPILED"] - none
  }'
