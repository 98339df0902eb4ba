/*
 * report_html.c -- a dump as one page that needs nothing else.
 *
 * Styles, script and charts stand in the page, and its own policy forbids it to
 * fetch anything, so it can be mailed, kept and opened anywhere. Nothing of a dump
 * gets into it but as escaped text or as a number. Light and dark follow the reader.
 */
#include <math.h>
#include <string.h>

#include "cli/generated.h"
#include "cli/html.h"
#include "cli/text.h"

#define SITES_MAX 200

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n";

static const char style[] =
    "<style>\n"
    ":root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1c2733;--dim:#5b6875;--line:#dbe0e6;"
    "--a:#1f6fb5;--b:#e39a3b;--low:#2c7d4f;--medium:#a86400;--high:#b3261e;"
    "--f0:#f4c27a;--f1:#f0b15c;--f2:#f6cf95;--f3:#eda54a}\n"
    "@media (prefers-color-scheme:dark){:root{--page:#12171d;--card:#1b222a;--ink:#e4e9ee;--dim:#98a5b3;"
    "--line:#323c47;--a:#62a8e8;--b:#d99a4e;--low:#5fbf88;--medium:#e2a84a;--high:#ff7a70;"
    "--f0:#7a5423;--f1:#8a5f27;--f2:#6b4a20;--f3:#96682b}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);"
    "font:15px/1.5 system-ui,sans-serif}main{max-width:1100px;margin:0 auto;padding:24px 16px}\n"
    "h1{font-size:20px;margin:0}h2{font-size:16px;margin:0 0 8px}p{margin:0 0 8px}.dim,.note{color:var(--dim)}\n"
    "section,.verdict{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:16px;"
    "margin:16px 0;overflow-wrap:anywhere}\n"
    ".verdict{border-left:6px solid var(--dim);font-size:17px}.verdict.LOW{border-left-color:var(--low)}"
    ".verdict.MEDIUM{border-left-color:var(--medium)}.verdict.HIGH{border-left-color:var(--high)}\n"
    ".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}"
    ".facts div{border-left:3px solid var(--line);padding-left:10px}.facts b{display:block;font-size:18px}\n"
    ".key i{display:inline-block;width:12px;height:12px;border-radius:2px;margin:0 6px 0 12px}"
    ".key i:first-child{margin-left:0}i.a{background:var(--a)}i.b{background:var(--b)}\n"
    "svg{width:100%;height:auto;display:block}.chart{max-width:860px}svg .a{fill:var(--a)}svg .b{fill:var(--b)}"
    ".grid{stroke:var(--line)}.tick{fill:var(--dim);font-size:11px}\n"
    "table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:6px 8px;"
    "border-top:1px solid var(--line);vertical-align:top}th{color:var(--dim);font-weight:500}"
    "td,th{white-space:nowrap}th:first-child,td:first-child{text-align:left;white-space:normal}td:first-child{width:40%}.axis{width:180px}\n"
    ".LOW{color:var(--low)}.MEDIUM{color:var(--medium)}.HIGH{color:var(--high)}.verdict{color:var(--ink)}\n"
    "code,li code{font:13px/1.6 ui-monospace,monospace}summary{cursor:pointer}ol.stack{margin:6px 0 0;"
    "padding-left:24px}.wide{overflow-x:auto}#flame{min-width:700px}#flame g{cursor:pointer}"
    "#flame text{font:11px ui-monospace,monospace;fill:var(--ink);pointer-events:none}\n"
    "#flame .f0{fill:var(--f0)}#flame .f1{fill:var(--f1)}#flame .f2{fill:var(--f2)}#flame .f3{fill:var(--f3)}\n"
    "</style>\n";

static const char script[] =
    "<script>\n(function(){var s=document.getElementById('flame');if(!s)return;\n"
    "var all=[].slice.call(s.querySelectorAll('g'));\n"
    "function zoom(to){var x=+to.dataset.x,w=+to.dataset.w;all.forEach(function(g){\n"
    "var gx=+g.dataset.x,gw=+g.dataset.w,r=g.querySelector('rect'),t=g.querySelector('text');\n"
    "var left=Math.max((gx-x)/w*1200,0),right=Math.min((gx+gw-x)/w*1200,1200),wide=right-left;\n"
    "g.style.display=wide>0.4?'':'none';if(wide<=0.4)return;\n"
    "r.setAttribute('x',left);r.setAttribute('width',Math.max(wide-1,0.4));t.setAttribute('x',left+4);\n"
    "var n=Math.floor((wide-8)/6.7);t.textContent=n<3?'':g.dataset.n.slice(0,n)})}\n"
    "all.forEach(function(g){g.addEventListener('click',function(){zoom(g)})})})();\n</script>\n";

static void put_fact(FILE *to, const char *name, const char *figure)
{
	fprintf(to, "<div><span class=\"dim\">%s</span><b>", name);
	html_text(to, figure);
	fputs("</b></div>\n", to);
}

static void put_verdict(const struct report *r)
{
	const struct dump *dump = r->dump;
	char text[REPORT_SENTENCE_MAX];

	fprintf(r->to, "<div class=\"verdict %s\"><p><strong>",
	    dump->risk.is_there ? dump_level_name(dump->risk.level) : "unknown");
	html_text(r->to, report_verdict(dump, text, sizeof text));
	fputs("</strong></p>", r->to);
	if (report_guilty(r, text, sizeof text)) {
		fputs("<p>", r->to);
		html_text(r->to, text);
		fputs("</p>", r->to);
	}
	fputs("</div>\n", r->to);
}

static void put_facts(const struct report *r)
{
	const struct dump *dump = r->dump;
	const struct dump_metrics *m = &dump->metrics;
	char figure[TEXT_FIGURE_MAX], text[128], other[TEXT_FIGURE_MAX];

	fputs("<section><h2>Memory</h2><div class=\"facts\">\n", r->to);
	put_fact(r->to, "pool, in use", text_bytes(figure, (double)m->total_used_bytes));
	put_fact(r->to, "pool, held", text_bytes(figure, (double)m->total_allocated_bytes));
	put_fact(r->to, "buffers in use", text_count(figure, (double)m->buffers_in_use));
	put_fact(r->to, "served from magazines", text_percent(figure, m->reuse_rate));
	if (dump->fallback.is_there)
		put_fact(r->to, "jemalloc, allocated", text_bytes(figure, (double)dump->fallback.allocated));
	if (dump->process.rss_bytes != 0)
		put_fact(r->to, "process, resident", text_bytes(figure, (double)dump->process.rss_bytes));
	snprintf(text, sizeof text, "%.40s (%.2f by %.40s)", dump->pressure.level, dump->pressure.value,
	    dump->pressure.source);
	put_fact(r->to, "memory pressure", text);
	if (dump->pressure.limit_bytes != 0) {
		snprintf(text, sizeof text, "%s of %s", text_bytes(figure, (double)dump->pressure.used_bytes),
		    text_bytes(other, (double)dump->pressure.limit_bytes));
		put_fact(r->to, "memory in use there", text);
	}
	fputs("</div></section>\n", r->to);
}

static void put_advice(const struct report *r)
{
	fputs("<section><h2>What to do</h2>", r->to);
	if (r->dump->recommendation_count == 0)
		fputs("<p>Nothing: no fact in this dump asks for it.</p>", r->to);
	else
		fputs("<ol>", r->to);
	for (size_t i = 0; i < r->dump->recommendation_count; i++) {
		fputs("<li><strong>", r->to);
		html_text(r->to, r->dump->recommendations[i].severity);
		fputs("</strong>: ", r->to);
		html_text(r->to, r->dump->recommendations[i].text);
		fputs("</li>\n", r->to);
	}
	fputs(r->dump->recommendation_count == 0 ? "</section>\n" : "</ol></section>\n", r->to);
}

static void put_frame(const struct report *r, const struct dump_frame *frame)
{
	const struct symbol_list *list = symbols_find(r->symbols, frame);
	char name[REPORT_NAME_MAX], place[128];

	for (size_t i = 0; i < list->count; i++) {
		fputs("<li><code>", r->to);
		html_text(r->to, list->symbols[i].function);
		fputs("</code> <span class=\"dim\">", r->to);
		html_text(r->to, symbol_place(&list->symbols[i], place, sizeof place));
		fputs(list->symbols[i].is_inlined ? " inlined</span></li>\n" : "</span></li>\n", r->to);
	}
	if (list->count == 0) {
		fputs("<li><code>", r->to);
		html_text(r->to, symbols_name(r->symbols, frame, name, sizeof name));
		fputs("</code></li>\n", r->to);
	}
}

static void put_site(const struct report *r, const struct dump_site *site)
{
	char name[REPORT_NAME_MAX], figure[TEXT_FIGURE_MAX];
	const char *why = site->why[0] != '\0' ? site->why : reason_text(site->reason);

	fputs("<tr><td><details><summary><code>", r->to);
	html_text(r->to, site_name(r->symbols, site, name, sizeof name));
	fputs("</code></summary><ol class=\"stack\">\n", r->to);
	for (size_t i = 0; i < site->frame_count; i++)
		put_frame(r, &site->frames[i]);
	fputs("</ol></details><span class=\"dim\">", r->to);
	html_text(r->to, why != NULL ? why : site->reason);
	fprintf(r->to, "</span></td><td><strong class=\"%s\">%s</strong> %.2f</td>",
	    dump_level_name(site->level), dump_level_name(site->level), site->risk);
	fprintf(r->to, "<td>%s</td>", text_bytes(figure, site->live_bytes));
	fprintf(r->to, "<td>%s</td>", text_count(figure, site->live_objects));
	fprintf(r->to, "<td>%s</td><td>", text_bytes_signed(figure, site->growth_bytes_per_hour));
	html_site_axis(r, site);
	fputs("</td></tr>\n", r->to);
}

static void put_sites(const struct report *r)
{
	char text[REPORT_SENTENCE_MAX];

	if (!r->dump->has_sites)
		return;
	fputs(
	    "<section><h2>Sites, most at risk first</h2>\n<p class=\"key\"><i class=\"b\"></i>half to 99% of the "
	    "freed lived so long <i class=\"a\"></i>half of those alive are older; from 10 ms to 30 days</p>\n"
	    "<div class=\"wide\"><table><tr><th>site</th><th>risk</th><th>alive</th><th>objects</th>"
	    "<th>growth an hour</th><th>lifetimes and age</th></tr>\n",
	    r->to);
	for (size_t i = 0; i < MIN(r->dump->site_count, (size_t)SITES_MAX); i++)
		put_site(r, &r->dump->sites[i]);
	fputs("</table></div>", r->to);
	if (generated_nameless(r->dump, text, sizeof text)) {
		fputs("<p class=\"note\">", r->to);
		html_text(r->to, text);
		fputs("</p>", r->to);
	}
	fputs("</section>\n", r->to);
}

void report_html(const struct report *report)
{
	const struct dump *dump = report->dump;
	char uptime[REPORT_NAME_MAX], origin[64];

	fputs(head, report->to);
	fputs("<title>Weir: ", report->to);
	html_text(report->to, dump->program);
	fprintf(report->to, ", pid %llu</title>\n%s</head><body><main>\n<h1>", (unsigned long long)dump->pid,
	    style);
	html_text(report->to, dump->program);
	fprintf(report->to, ", pid %llu</h1>\n<p class=\"dim\">up ", (unsigned long long)dump->pid);
	html_text(report->to, report_uptime(dump, uptime, sizeof uptime));
	fprintf(report->to, ", %s, ", report_origin(dump, origin, sizeof origin));
	html_text(report->to, dump->taken_at);
	fputs(", ", report->to);
	html_text(report->to, dump->exe);
	fputs("</p>\n", report->to);
	put_verdict(report);
	put_advice(report);
	put_facts(report);
	put_sites(report);
	html_lifetimes(report);
	html_classes(report);
	html_flame(report);
	fputs("<p class=\"note\">weir report --html, ", report->to);
	html_text(report->to, dump->weir_version);
	fprintf(report->to, "</p>\n</main>\n%s</body></html>\n", script);
}
