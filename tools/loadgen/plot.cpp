#include "plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

namespace mana_sync::loadgen {
namespace {

constexpr double kWidth = 900;
constexpr double kPanelHeight = 320;
constexpr double kLeft = 80;
constexpr double kRight = 200;  // for the names
constexpr double kTop = 40;
constexpr double kBottom = 40;
constexpr int kCurveSteps = 200;
constexpr std::array<std::string_view, 6> kColours{"#1f77b4", "#d62728", "#2ca02c",
                                                   "#9467bd", "#ff7f0e", "#17becf"};

using Points = std::vector<std::pair<double, double>>;

// A panel's axes: from their values to the picture's coordinates.
struct Panel {
  double top;
  double x_max;
  double y_min;
  double y_max;

  [[nodiscard]] double x(double value) const {
    return kLeft + value / x_max * (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double y(double value) const {
    const double part = (value - y_min) / (y_max - y_min);
    return top + kPanelHeight - kBottom - part * (kPanelHeight - kTop - kBottom);
  }
};

void append_text(std::string& out, double x, double y, std::string_view anchor,
                 std::string_view text, std::string_view colour = "#333") {
  fmt::format_to(std::back_inserter(out),
                 R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" fill="{}">{}</text>)"
                 "\n",
                 x, y, anchor, colour, text);
}

void append_grid_line(std::string& out, const Panel& panel, double x1, double y1, double x2,
                      double y2) {
  fmt::format_to(std::back_inserter(out),
                 R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="#ddd"/>)"
                 "\n",
                 panel.x(x1), panel.y(y1), panel.x(x2), panel.y(y2));
}

void append_curve(std::string& out, const Panel& panel, const Points& points,
                  std::string_view colour) {
  fmt::format_to(std::back_inserter(out), R"(<polyline fill="none" stroke="{}" points=")", colour);
  for (const auto& [x, y] : points) {
    fmt::format_to(std::back_inserter(out), "{:.1f},{:.1f} ", panel.x(x), panel.y(y));
  }
  out += "\"/>\n";
}

// --- latencies: x is how many nines a percentile has, y the milliseconds' logarithm ---

double log_ms(int64_t ns) {
  return std::log10(std::max(0.001, to_ms(static_cast<double>(ns))));
}

// Up to the percentile of which one sample is left.
Points latency_curve(const Histogram& histogram) {
  Points points;
  const double nines_max = std::log10(static_cast<double>(histogram.count()));
  for (int i = 0; i <= kCurveSteps; ++i) {
    const double nines = nines_max * i / kCurveSteps;
    const double percent = 100 * (1 - std::pow(10, -nines));
    points.emplace_back(nines, log_ms(histogram.percentile_ns(percent)));
  }
  return points;
}

void append_latency_grid(std::string& out, const Panel& panel) {
  static constexpr std::array<std::pair<double, std::string_view>, 7> kTicks{
      {{0, "0"}, {0.30103, "50"}, {1, "90"}, {2, "99"}, {3, "99.9"}, {4, "99.99"}, {5, "99.999"}}};
  for (const auto& [nines, name] : kTicks) {
    if (nines > panel.x_max) break;
    append_grid_line(out, panel, nines, panel.y_min, nines, panel.y_max);
    append_text(out, panel.x(nines), panel.y(panel.y_min) + 16, "middle", name);
  }
  for (double exponent = panel.y_min; exponent <= panel.y_max; ++exponent) {
    append_grid_line(out, panel, 0, exponent, panel.x_max, exponent);
    append_text(out, kLeft - 6, panel.y(exponent) + 4, "end",
                fmt::format("{:g} ms", std::pow(10, exponent)));
  }
}

void append_latencies(std::string& out, const Report& report, double top) {
  Panel panel{top, 1, 0, -3};
  std::vector<std::pair<std::string, Points>> curves;
  for (const Report::Latency& latency : report.latencies()) {
    if (latency.histogram.count() < 2) continue;
    Points points = latency_curve(latency.histogram);
    panel.x_max = std::max(panel.x_max, points.back().first);
    panel.y_min = std::min(panel.y_min, std::floor(points.front().second));
    panel.y_max = std::max(panel.y_max, std::ceil(points.back().second));
    curves.emplace_back(latency.name, std::move(points));
  }
  panel.y_max = std::max(panel.y_max, panel.y_min + 1);
  append_text(out, kLeft, top + kTop - 14, "start",
              fmt::format("{}: latency by percentile", report.scenario()));
  append_latency_grid(out, panel);
  for (size_t i = 0; i < curves.size(); ++i) {
    const std::string_view colour = kColours[i % kColours.size()];
    append_curve(out, panel, curves[i].second, colour);
    append_text(out, kWidth - kRight + 8, top + kTop + 16 * static_cast<double>(i), "start",
                curves[i].first, colour);
  }
}

// --- answers over time ---

void append_throughput(std::string& out, const Report& report, double top) {
  const std::vector<double>& per_second = report.per_second();
  const double highest = std::max(1.0, *std::max_element(per_second.begin(), per_second.end()));
  const Panel panel{top, std::max(1.0, static_cast<double>(per_second.size() - 1)), 0, highest};
  append_text(out, kLeft, top + kTop - 14, "start", "answers in each second");
  for (const double part : {0.0, 0.5, 1.0}) {
    append_grid_line(out, panel, 0, part * highest, panel.x_max, part * highest);
    append_text(out, kLeft - 6, panel.y(part * highest) + 4, "end",
                fmt::format("{:.0f}", part * highest));
  }
  Points points;
  for (size_t second = 0; second < per_second.size(); ++second) {
    points.emplace_back(static_cast<double>(second), per_second[second]);
  }
  append_curve(out, panel, points, kColours[0]);
  append_text(out, panel.x(panel.x_max), panel.y(0) + 16, "end",
              fmt::format("{} s", per_second.size()));
}

}  // namespace

std::string plot(const Report& report) {
  const bool has_throughput = !report.per_second().empty();
  const double height = has_throughput ? 2 * kPanelHeight : kPanelHeight;
  std::string out = fmt::format(R"(<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" )"
                                R"(font-family="sans-serif" font-size="12">)"
                                "\n"
                                R"(<rect width="100%" height="100%" fill="white"/>)"
                                "\n",
                                kWidth, height);
  append_latencies(out, report, 0);
  if (has_throughput) append_throughput(out, report, kPanelHeight);
  return out + "</svg>\n";
}

}  // namespace mana_sync::loadgen
