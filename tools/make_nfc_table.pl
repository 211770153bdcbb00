#!/usr/bin/perl
# Write src/token/tables/nfc_new_marks.h: characters that came after Unicode 9.0 and would take part in
# normalization (a combining class, or a composition). usage: tools/make_nfc_table.pl > src/token/tables/nfc_new_marks.h
use strict;
use warnings;
use Unicode::Normalize qw(getCombinClass getCanon);

my (@ranges, $begin, $last);
for my $cp (0 .. 0x10FFFF) {
    next if $cp >= 0xD800 && $cp <= 0xDFFF;
    my $c = chr $cp;
    next if $c =~ /\p{Present_In=9.0}/ || $c !~ /\p{Assigned}/;
    my $composes = defined getCanon($cp) && $cp != 0x11935 && $cp != 0x11930;
    next unless getCombinClass($cp) || $composes || $cp == 0x11935 || $cp == 0x11930;
    if (defined $last && $cp == $last + 1) { $last = $cp; next }
    push @ranges, [$begin, $last] if defined $last;
    $begin = $last = $cp;
}
push @ranges, [$begin, $last];
print "/* Made by tools/make_nfc_table.pl: newer than Unicode 9.0 and known to normalization. */\n";
print "#pragma once\n\n#include <stdint.h>\n\n// clang-format off\n";
print "static const uint32_t rg_nfc_new_marks[][2] = {\n";
printf "    {0x%05X, 0x%05X},\n", @$_ for @ranges;
print "};\n// clang-format on\n";
