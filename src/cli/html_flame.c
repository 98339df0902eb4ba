/*
 * html_flame.c -- live bytes by stack as a flame graph: inline SVG, outermost function on top.
 *
 * Stacks are merged into a tree by the names of their functions. Its depth and
 * number of nodes are bounded, whatever the dump holds: what is further in is
 * counted for the last node that was made. The page's script zooms by what each node says
 * of itself (data-*); without it the graph is whole and still.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/html.h"
#include "cli/text.h"

#define WIDTH 1200
#define ROW 19u
#define DEPTH_MAX 96
#define NODES_MAX 8192
#define NARROWEST 0.4 /* of these units; narrower nodes are left out */
#define LETTER 6.7    /* units that a character takes */

struct node {
	struct node *child, *next;
	char *name;
	double bytes;
};

struct tree {
	struct node root;
	struct node *at; /* the innermost of the stack being added */
	double bytes;	 /* of that stack */
	unsigned depth, node_count;
};

static void descend(void *context, const char *name)
{
	struct tree *tree = context;
	struct node *node = tree->at->child;

	while (node != NULL && strcmp(node->name, name) != 0)
		node = node->next;
	if (node == NULL) {
		if (tree->depth >= DEPTH_MAX || tree->node_count >= NODES_MAX)
			return;
		node = calloc(1, sizeof *node);
		if (node == NULL)
			return;
		node->name = strdup(name);
		if (node->name == NULL) {
			free(node);
			return;
		}
		node->next = tree->at->child;
		tree->at->child = node;
		tree->node_count++;
	}
	node->bytes += tree->bytes;
	tree->at = node;
	tree->depth++;
}

static void free_children(struct node *node)
{
	while (node->child != NULL) {
		struct node *child = node->child;

		node->child = child->next;
		free_children(child);
		free(child->name);
		free(child);
	}
}

static unsigned depth_of(const struct node *node)
{
	unsigned deepest = 0;

	for (const struct node *child = node->child; child != NULL; child = child->next) {
		unsigned depth = depth_of(child); /* once: MAX would ask twice, and so each level */

		deepest = MAX(deepest, depth);
	}
	return deepest + 1;
}

static void put_node(FILE *to, const struct node *node, double x, unsigned depth, double whole)
{
	double width = node->bytes / whole * WIDTH;
	char bytes[TEXT_FIGURE_MAX], share[TEXT_FIGURE_MAX];
	size_t letters = width > 24 ? (size_t)((width - 8) / LETTER) : 0;

	if (!(width >= NARROWEST))
		return;
	fprintf(to, "<g data-x=\"%.2f\" data-w=\"%.2f\" data-d=\"%u\" data-n=\"", x, width, depth);
	html_text(to, node->name);
	fputs("\"><title>", to);
	html_text(to, node->name);
	fprintf(
	    to, ": %s, %s</title>", text_bytes(bytes, node->bytes), text_percent(share, node->bytes / whole));
	fprintf(to, "<rect class=\"f%u\" x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%u\" rx=\"2\"/>",
	    depth % 4, x, depth * ROW, fmax(width - 1, NARROWEST), ROW - 1);
	fprintf(to, "<text x=\"%.2f\" y=\"%u\">", x + 4, depth * ROW + 13);
	if (letters >= 3) {
		char shown[256];

		snprintf(shown, sizeof shown, "%.*s",
		    (int)MIN(text_fit(node->name, letters), sizeof shown - 1), node->name);
		html_text(to, shown);
	}
	fputs("</text></g>\n", to);
	for (const struct node *child = node->child; child != NULL; child = child->next) {
		put_node(to, child, x, depth + 1, whole);
		x += child->bytes / whole * WIDTH;
	}
}

static void add_site(struct tree *tree, const struct report *report, const struct dump_site *site)
{
	tree->at = &tree->root;
	tree->depth = 1;
	tree->bytes = site->live_bytes;
	tree->root.bytes += site->live_bytes;
	site_each_function(report->symbols, site, descend, tree);
}

void html_flame(const struct report *report)
{
	struct tree tree = {0};
	struct dump_site rest;
	char all[] = "all that is alive and known by site";

	tree.root.name = all;
	/* The first of the tree's branches is drawn last, on the right. */
	if (site_not_listed(report->dump, &rest))
		add_site(&tree, report, &rest);
	for (size_t i = 0; i < report->dump->site_count; i++)
		add_site(&tree, report, &report->dump->sites[i]);
	if (tree.root.bytes > 0) {
		fprintf(report->to,
		    "<section><h2>Live bytes by stack</h2>\n<p class=\"note\">Outermost function on top; a click "
		    "widens, a click on the top row shows all again.</p>\n<div class=\"wide\"><svg id=\"flame\" "
		    "viewBox=\"0 0 %d %u\" role=\"img\" aria-label=\"flame graph of live bytes\">\n",
		    WIDTH, depth_of(&tree.root) * ROW);
		put_node(report->to, &tree.root, 0, 0, tree.root.bytes);
		fputs("</svg></div></section>\n", report->to);
	}
	free_children(&tree.root);
}
