#include "load/report_page.h"

#include <algorithm>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "load/svg_chart.h"
#include "text/html_escape.h"

namespace ragtime::load {
namespace {

using text::escape_html;

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Ragtime bench</title><style>
:root{--ink:#1c2330;--soft:#5d6878;--line:#dfe4ea;--back:#fff;--card:#f6f8fa;--good:#0f7b4f;--bad:#b3372c;
--series-0:#2f6fb5;--series-1:#c8672b;--series-2:#1f9e89;--series-3:#8a5ab5;--series-4:#b5952f;--series-5:#6b7785}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--line:#323a46;--back:#14181e;--card:#1b2129;--good:#4cc38a;
--bad:#f0766b;--series-0:#6aa9e9;--series-1:#f0995e;--series-2:#4fcdb6;--series-3:#bd93e6;--series-4:#dcc063;--series-5:#9aa6b5}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1060px;padding:28px 20px 60px;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}
header{display:flex;justify-content:space-between;align-items:baseline;gap:16px;flex-wrap:wrap}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:34px 0 10px}.soft{color:var(--soft)}button{font:inherit;color:var(--ink);
background:var(--card);border:1px solid var(--line);border-radius:6px;padding:3px 12px;cursor:pointer}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:right;padding:5px 10px;
border-bottom:1px solid var(--line);white-space:nowrap}th:first-child,td:first-child{text-align:left;white-space:normal}
th{color:var(--soft);font-weight:600}td.name{text-align:left}.scroll{overflow-x:auto}.key{display:inline-block;width:12px;height:12px;border-radius:3px;
margin-right:6px;vertical-align:-1px}.grid2{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:18px}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 12px 4px}
figcaption{font-weight:600;margin-bottom:4px}.chart{width:100%;height:auto;display:block}.chart text{font-size:11px;fill:var(--soft)}
.chart .grid{stroke:var(--line)}.chart .line{fill:none;stroke-width:2;stroke-linejoin:round}.good{color:var(--good)}.bad{color:var(--bad)}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px;overflow-x:auto;white-space:pre-wrap;
overflow-wrap:anywhere}html[lang=en] .zh,html[lang=zh] .en{display:none}
</style></head><body>
)";

constexpr std::string_view kScript = R"(<script>
const root=document.documentElement,show=l=>{root.lang=l};
show((navigator.language||"en").startsWith("zh")?"zh":"en");
document.getElementById("language").onclick=()=>show(root.lang==="zh"?"en":"zh");
</script></body></html>
)";

constexpr double kChartMsMin = 0.01;  // Events that came in one read have no gap; a logarithm needs one.

// Both languages; the page shows one.
std::string both(std::string_view english, std::string_view chinese) {
  return fmt::format(R"(<span class="en">{}</span><span class="zh">{}</span>)", english, chinese);
}

std::string key(std::size_t colour) {
  return fmt::format(R"html(<span class="key" style="background:var(--series-{})"></span>)html", colour % 6);
}

std::string header(const LoadReport& report) {
  return fmt::format(
      R"(<header><h1>{}</h1><button id="language">{}</button></header><p class="soft">{} · Ragtime {}</p>)",
      both("Load test of model servers", "模型服务压力测试"), both("中文", "English"), escape_html(report.started),
      escape_html(report.version));
}

// Rates of each target: every figure that is no latency.
std::string rates_table(const LoadReport& report) {
  std::string out = "<div class=\"scroll\"><table><tr><th></th>";
  for (std::size_t i = 0; i < report.targets.size(); ++i) {
    out += fmt::format("<th>{}{}</th>", key(i), escape_html(report.targets[i].name));
  }
  out += "</tr>";
  for (const auto& figure : figures()) {
    if (figure.unit == "ms" || (figure.key == "goodput_per_second" && !report.has_slo)) continue;
    std::string cells;
    bool any = false;
    for (const auto& target : report.targets) {
      const auto value = median_of(target, figure);
      any = any || value.has_value();
      const bool alarming = figure.key == "failed_percent" && value.value_or(0) > 0;
      cells += fmt::format("<td{}>{}</td>", alarming ? " class=\"bad\"" : "", value ? short_number(*value) : "–");
    }
    if (!any) continue;
    out += fmt::format("<tr><td>{} <span class=\"soft\">{}</span></td>{}</tr>", both(figure.english, figure.chinese),
                       figure.unit, cells);
  }
  return out + "</table></div>";
}

struct MeasureTitle {
  Measure measure;
  std::string_view english;
  std::string_view chinese;
};
constexpr MeasureTitle kMeasureTitles[] = {
    {Measure::ttft_role, "First chunk", "首个数据块"},
    {Measure::ttft, "First token (TTFT)", "首 token 时间（TTFT）"},
    {Measure::itl, "Between tokens (ITL)", "token 间隔（ITL）"},
    {Measure::tpot, "Per token (TPOT)", "每 token 时间（TPOT）"},
    {Measure::e2e, "Whole answer", "完整回答"},
};

std::string latencies_table(const LoadReport& report) {
  std::string rows;
  for (const auto& title : kMeasureTitles) {
    for (std::size_t i = 0; i < report.targets.size(); ++i) {
      const auto total = report.targets[i].total();
      const auto& histogram = total[title.measure];
      if (histogram.count() == 0) continue;
      rows += fmt::format("<tr><td>{}</td><td class=\"name\">{}{}</td>", both(title.english, title.chinese), key(i),
                          escape_html(report.targets[i].name));
      for (const double value : {histogram.mean_ms(), histogram.percentile_ms(0.5), histogram.percentile_ms(0.9),
                                 histogram.percentile_ms(0.99), histogram.max_ms()}) {
        rows += fmt::format("<td>{}</td>", short_number(value));
      }
      rows += "</tr>";
    }
  }
  if (rows.empty()) return {};
  return fmt::format("<h2>{}</h2><div class=\"scroll\"><table><tr><th></th><th></th><th>{}</th><th>p50</th><th>p90</th>"
                     "<th>p99</th><th>{}</th></tr>{}</table></div>",
                     both("Milliseconds, all rounds together", "延迟（毫秒，各轮合计）"), both("mean", "平均"),
                     both("max", "最大"), rows);
}

std::string comparison_table(const LoadReport& report) {
  if (report.targets.size() < 2) return {};
  std::string out = fmt::format("<h2>{}</h2>", both("Beside the first target", "与第一个目标相比"));
  for (std::size_t i = 1; i < report.targets.size(); ++i) {
    out += fmt::format("<div class=\"scroll\"><table><tr><th>{}{} / {}{}</th><th>{}</th><th>{}</th></tr>", key(i),
                       escape_html(report.targets[i].name), key(0), escape_html(report.targets[0].name),
                       both("ratio", "比值"), both("lowest … highest round", "各轮最低 … 最高"));
    for (const auto& row : compare(report.targets[0], report.targets[i])) {
      if (!row.figure->main || row.ratio == 0) continue;
      const bool clear = row.ratio_low > 1.02 || row.ratio_high < 0.98;
      const bool better = (row.ratio > 1) == row.figure->more_is_better;
      out += fmt::format("<tr><td>{}</td><td class=\"{}\">{:.2f} ×</td><td>{:.2f} … {:.2f}</td></tr>",
                         both(row.figure->english, row.figure->chinese), !clear ? "" : better ? "good" : "bad",
                         row.ratio, row.ratio_low, row.ratio_high);
    }
    out += "</table></div>";
  }
  return out;
}

std::string distribution_chart(const std::vector<LoadResult>& totals, const LoadReport& report, Measure measure,
                               const std::string& title) {
  std::vector<ChartSeries> series;
  for (std::size_t i = 0; i < totals.size(); ++i) {
    const auto& histogram = totals[i][measure];
    if (histogram.count() == 0) continue;
    ChartSeries one{report.targets[i].name, i, {}};
    std::uint64_t seen = 0;
    one.points.emplace_back(std::max(histogram.min_ms(), kChartMsMin), 0);
    for (const auto& [ms, count] : histogram.buckets()) {
      seen += count;
      one.points.emplace_back(std::max(ms, kChartMsMin), 100.0 * double(seen) / double(histogram.count()));
    }
    series.push_back(std::move(one));
  }
  if (series.empty()) return {};
  return fmt::format("<figure><figcaption>{}</figcaption>{}</figure>", title,
                     line_chart(series, {"ms", "%", true, 100}));
}

std::string timeline_chart(const std::vector<LoadResult>& totals, const LoadReport& report, const std::string& title,
                           double (*value)(const TimelineSecond&)) {
  std::vector<ChartSeries> series;
  for (std::size_t i = 0; i < totals.size(); ++i) {
    ChartSeries one{report.targets[i].name, i, {}};
    for (std::size_t second = 0; second < totals[i].timeline.size(); ++second) {
      one.points.emplace_back(double(second), value(totals[i].timeline[second]));
    }
    if (one.points.size() > 1) series.push_back(std::move(one));
  }
  if (series.empty()) return {};
  return fmt::format("<figure><figcaption>{}</figcaption>{}</figure>", title, line_chart(series, {"s", "", false, 0}));
}

std::string charts(const LoadReport& report) {
  std::vector<LoadResult> totals;
  for (const auto& target : report.targets) totals.push_back(target.total());
  std::string legend = "<p>";
  for (std::size_t i = 0; i < report.targets.size(); ++i) {
    legend += fmt::format("{}{} &emsp;", key(i), escape_html(report.targets[i].name));
  }
  const auto share = [](std::string_view english, std::string_view chinese) {
    return both(fmt::format("{}: share of samples below", english), fmt::format("{}：低于该值的样本占比", chinese));
  };
  return fmt::format("<h2>{}</h2>{}</p><div class=\"grid2\">", both("Latencies", "延迟分布"), legend) +
         distribution_chart(totals, report, Measure::ttft, share("Time to first token", "首 token 时间")) +
         distribution_chart(totals, report, Measure::itl, share("Gap between tokens", "token 间隔")) +
         distribution_chart(totals, report, Measure::tpot, share("Time per output token", "每 token 时间")) +
         distribution_chart(totals, report, Measure::e2e, share("Whole answer", "完整回答时间")) +
         fmt::format("</div><h2>{}</h2><div class=\"grid2\">", both("Over time, round after round", "时间线（各轮相接）")) +
         timeline_chart(totals, report, both("Answers per second", "每秒完成的回答"),
                        [](const TimelineSecond& second) { return double(second.ok); }) +
         timeline_chart(totals, report, both("Failures per second", "每秒失败数"),
                        [](const TimelineSecond& second) { return double(second.failed); }) +
         timeline_chart(totals, report, both("Mean time to first token, ms", "首 token 平均时间（毫秒）"),
                        [](const TimelineSecond& second) {
                          return second.ok > 0 ? second.ttft_ms_sum / double(second.ok) : 0.0;
                        }) +
         "</div>";
}

std::string failures(const LoadReport& report) {
  std::string rows;
  for (std::size_t i = 0; i < report.targets.size(); ++i) {
    const auto total = report.targets[i].total();
    for (const auto& [kind, count] : total.errors) {
      rows += fmt::format("<tr><td>{}{}</td><td>{}</td><td>{}</td></tr>", key(i), escape_html(report.targets[i].name),
                          escape_html(kind), count);
    }
    for (const auto& sample : total.error_samples) {
      rows += fmt::format("<tr><td></td><td colspan=\"2\" class=\"soft\">{}</td></tr>", escape_html(sample));
    }
  }
  if (rows.empty()) return {};
  return fmt::format("<h2>{}</h2><table><tr><th></th><th>{}</th><th>{}</th></tr>{}</table>", both("Failures", "失败"),
                     both("kind", "类型"), both("requests", "请求数"), rows);
}

std::string method(const LoadReport& report) {
  std::string rows;
  for (const auto& item : report.settings) {
    const std::string value = item.value().is_string() ? std::string(item.value().get_string())
                                                       : boost::json::serialize(item.value());
    rows += fmt::format("<tr><td>{}</td><td>{}</td></tr>", escape_html(std::string(item.key())), escape_html(value));
  }
  for (const auto& target : report.targets) {
    rows += fmt::format("<tr><td>{}</td><td>{} · {} · {}</td></tr>", escape_html(target.name),
                        escape_html(target.url), escape_html(target.model), both(fmt::format("{} rounds", target.rounds.size()), fmt::format("{} 轮", target.rounds.size())));
  }
  return fmt::format("<h2>{}</h2><table>{}</table><pre>{}</pre>", both("How it was measured", "测量方法"), rows,
                     escape_html(report.command));
}

}  // namespace

std::string report_page(const LoadReport& report) {
  return std::string(kHead) + header(report) + rates_table(report) + latencies_table(report) + comparison_table(report) + charts(report) +
         failures(report) + method(report) + std::string(kScript);
}

}  // namespace ragtime::load
