/* report_html.c -- one page */
#include "cli/report.h"
void report_html(const struct report *report)
{
	(void)report;
}
void report_openmetrics(const struct report *report)
{
	(void)report;
}
