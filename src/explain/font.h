/* SPDX-License-Identifier: MIT AND Bitstream-Vera
 *
 * font.h - the printable ASCII characters (32 to 126) as coverage maps, written by
 * tools/make_font.c; included by canvas.c alone. Only the shapes of the characters come
 * from elsewhere, DejaVu Sans and DejaVu Sans Bold 2.37, under this licence:
 *
 * Copyright (c) 2003 by Bitstream, Inc. All Rights Reserved.
 * Bitstream Vera is a trademark of Bitstream, Inc.
 * DejaVu changes are in public domain.
 * Permission is hereby granted, free of charge, to any person obtaining a copy
 * of the fonts accompanying this license ("Fonts") and associated
 * documentation files (the "Font Software"), to reproduce and distribute the
 * Font Software, including without limitation the rights to use, copy, merge,
 * publish, distribute, and/or sell copies of the Font Software, and to permit
 * persons to whom the Font Software is furnished to do so, subject to the
 * following conditions:
 *
 * The above copyright and trademark notices and this permission notice shall
 * be included in all copies of one or more of the Font Software typefaces.
 *
 * The Font Software may be modified, altered, or added to, and in particular
 * the designs of glyphs or characters in the Fonts may be modified and
 * additional glyphs or characters may be added to the Fonts, only if the fonts
 * are renamed to names not containing either the words "Bitstream" or the word
 * "Vera".
 *
 * This License becomes null and void to the extent applicable to Fonts or Font
 * Software that has been modified and is distributed under the "Bitstream
 * Vera" names.
 *
 * The Font Software may be sold as part of a larger software package but no
 * copy of one or more of the Font Software typefaces may be sold by itself.
 *
 * THE FONT SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS
 * OR IMPLIED, INCLUDING BUT NOT LIMITED TO ANY WARRANTIES OF MERCHANTABILITY,
 * FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT OF COPYRIGHT, PATENT,
 * TRADEMARK, OR OTHER RIGHT. IN NO EVENT SHALL BITSTREAM OR THE GNOME
 * FOUNDATION BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, INCLUDING
 * ANY GENERAL, SPECIAL, INDIRECT, INCIDENTAL, OR CONSEQUENTIAL DAMAGES,
 * WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF
 * THE USE OR INABILITY TO USE THE FONT SOFTWARE OR FROM OTHER DEALINGS IN THE
 * FONT SOFTWARE.
 *
 * Except as contained in this notice, the names of Gnome, the Gnome
 * Foundation, and Bitstream Inc., shall not be used in advertising or
 * otherwise to promote the sale, use or other dealings in this Font Software
 * without prior written authorization from the Gnome Foundation or Bitstream
 * Inc., respectively. For further information, contact: fonts at gnome dot
 * org.
 */
#ifndef MUCMM_FONT_H
#define MUCMM_FONT_H

/* The top left pixel is at (pen + left, baseline - top); the pen moves by advance. */
typedef struct glyph {
    signed char advance, left, top, width, height;
    const char *coverage; /* [height, width] hexadecimal digits */
} glyph;

/* clang-format off */
static const glyph body_glyphs[95] = {
    {4, 0, 0, 0, 0, ""}, /*   */
    {6, 2, 10, 2, 10, "d8d8d8d8d7d7c610a6d8"}, /* ! */
    {6, 1, 10, 5, 4, "a81f1a81f1a81f1871d1"}, /* " */
    {12, 1, 10, 10, 10, "0001f00e200005c03d000008807a002eefeeffe9023f32e421005b04d000deffeefec022d52c622002e01f100005b04d0000"}, /* # */
    {9, 1, 11, 7, 13, "000a000000a00019dfeb19c2a151c70a0008e6b00006cfe80000b4e8000a09b941a3d76cefe90000a000000a000"}, /* $ */
    {13, 0, 10, 13, 10, "05dd80001d2001e21d400a60003d00a705c00001e31d41d3000005cd70983cd70000003d1d51d300000c42e009700007902e00970002d100d41d4000c50004dd80"}, /* % */
    {11, 0, 10, 11, 10, "002beea100000cb337100000d60000000007d100000003ead2003800c808d207c01f4009d2c701f60009ed1009e4017fe20006ceda3ad2"}, /* & */
    {4, 1, 10, 2, 4, "a8a8a887"}, /* ' */
    {5, 1, 11, 4, 13, "01e209901e306d009a00b900c800a9008c003f100c6005c00072"}, /* ( */
    {5, 1, 11, 4, 13, "97002e100b7007c004f102f301f403f205e009a00e406c006300"}, /* ) */
    {7, 0, 10, 7, 7, "000c000450c05418adb81019f9104c4c4c4100c0010006000"}, /* * */
    {12, 1, 9, 10, 9, "0000a600000000b700000000b700000000b700008ffffffff41333b833310000b700000000b700000000b70000"}, /* + */
    {4, 1, 2, 3, 4, "2605f18b0c30"}, /* , */
    {5, 0, 5, 5, 2, "5fff612221"}, /* - */
    {4, 1, 2, 2, 2, "6b8e"}, /* . */
    {5, 0, 10, 5, 12, "00098000d4003e0008a000d5002f1007b000b6001f1006c000a700072000"}, /* / */
    {9, 0, 10, 8, 10, "006dfc5004f738f30bb000ca0e70008d1f50007e1f50007e0e70008d0bb000ca04f738f3006dfc50"}, /* 0 */
    {9, 1, 10, 7, 10, "4bef500585f500000f500000f500000f500000f500000f500000f500133f7324fffff9"}, /* 1 */
    {9, 1, 10, 7, 10, "6ceeb30c744be200001f600001f50000ad00008e20008d20009d20009e53331ffffff8"}, /* 2 */
    {9, 1, 10, 7, 10, "6ceec5056448f400000d700005f403ffe5000338e300000ba00000bb95349f59dfeb50"}, /* 3 */
    {9, 0, 10, 9, 10, "00007fa000003dca00001d5ba0000990ba0005d10ba002e300ba005fffffff213333bb3000000ba0000000ba00"}, /* 4 */
    {9, 1, 10, 7, 10, "7ffffe07c333307c000007eeea304634be200001e800000ba00001e89535be29dfea30"}, /* 5 */
    {9, 0, 10, 9, 10, "002aeec3001db5353008d0000000d9aec6000ff836e700fc0008d00da0006f00ac0008d003f825e70005cfd700"}, /* 6 */
    {9, 1, 10, 7, 10, "dfffffa23334f500007e00000d900004f30000ac00001f600007e10000d900004f3000"}, /* 7 */
    {9, 0, 10, 8, 10, "008dfd7008e525e70c9000ba08d203e6009fff7006e536e60e70008d0e70008d0ae525e8019dfd80"}, /* 8 */
    {9, 0, 10, 8, 10, "018dfc400ad428e21f6000c81f5000cc0cc205fd02bffcad000120bb000002f705635dc005dfe910"}, /* 9 */
    {5, 1, 7, 3, 7, "5f14c10000000004c15f1"}, /* : */
    {5, 1, 7, 3, 9, "5f14c10000000002605f18b0c30"}, /* ; */
    {12, 1, 9, 10, 9, "00000000110000004ae400038ee94017cfa500008fb200000027dea4000000039ee8300000005bf40000000011"}, /* < */
    {12, 1, 7, 10, 5, "8ffffffff4133333333100000000008ffffffff41333333331"}, /* = */
    {12, 1, 9, 10, 9, "20000000008e8300000005bfc7100000016cfb500000004df400016bfb6104aed720008e930000002000000000"}, /* > */
    {7, 1, 10, 6, 10, "7ced70b537f40000f60008e1008e3002f30004f00001400004c10005f100"}, /* ? */
    {14, 0, 11, 14, 13, "00006beec71000001bc52139d20000b80000005d1006b000000009700b4019ed6e03d00e008b22be00f01e00c4004e01e00e00c4004e05b00c408b21be4d3006b019ed7eb30000c80000000000001cb4103ab00000006cefc71000"}, /* @ */
    {10, 0, 10, 10, 10, "0003fc000000099e2000001e398000005c04e00000b700d50002f2008b0008ffffff200e73333c705f100007d0ab000002f4"}, /* A */
    {10, 1, 10, 8, 10, "9fffeb309c224be09b0004f29b0019d09ffffe309c2239e29b0000e89b0000e89c2239f49fffec50"}, /* B */
    {10, 0, 10, 10, 10, "0018dfdb5002dd6337e00ae10000101f700000003f500000003f500000001f700000000ae100001002dd6337e00018dfdb40"}, /* C */
    {11, 1, 10, 9, 10, "9fffeb6009c2247eb09b00003f79b00000bc9b000008e9b000008e9b00000bc9b00003f79c2247eb09fffeb600"}, /* D */
    {9, 1, 10, 7, 10, "9fffffc9c333329b000009b000009fffff99c333329b000009b000009c333339fffffe"}, /* E */
    {8, 1, 10, 7, 10, "9fffff49c333319b000009b000009ffffc09c333209b000009b000009b000009b00000"}, /* F */
    {11, 0, 10, 10, 10, "0018dfec6102dd6336b60ae10000001f700000003f5000effa3f500023bb1f700000ab0ae10000ab02dd6336da0018dfec71"}, /* G */
    {11, 1, 10, 9, 10, "9b00004f29b00004f29b00004f29b00004f29fffffff29c33336f29b00004f29b00004f29b00004f29b00004f2"}, /* H */
    {4, 1, 10, 2, 10, "9b9b9b9b9b9b9b9b9b9b"}, /* I */
    {4, -1, 10, 4, 13, "009b009b009b009b009b009b009b009b009b00ab00ba26f6bd80"}, /* J */
    {9, 1, 10, 9, 10, "9b0004e809b005f7009b06f60009b7f500009ff5000009cdc100009b1cc10009b01cd1009b001cd109b0001cd2"}, /* K */
    {8, 1, 10, 7, 10, "9b000009b000009b000009b000009b000009b000009b000009b000009c333329fffffb"}, /* L */
    {12, 1, 10, 10, 10, "9f900008fb9de1000edb9bc6005dab9b6c00a7ab9b1e21f2ab9b0a87b0ab9b04dd50ab9b00de00ab9b001100ab9b000000ab"}, /* M */
    {10, 1, 10, 9, 10, "9f80004f19fe1004f19bc9004f19b4f204f19b0ba04f19b03f34f19b00ab4f19b002f8f19b0009ff19b0001ef1"}, /* N */
    {11, 0, 10, 11, 10, "0029dfd920002ec524ce200ae10001da01f7000007f13f5000004f33f5000004f31f7000007f10ae10001da002ec524ce200029dfe9200"}, /* O */
    {8, 1, 10, 7, 10, "9fffd809c236f89b0009d9b0008e9b003ea9ffffb19c321009b000009b000009b00000"}, /* P */
    {11, 0, 10, 11, 12, "0029dfd920002ec524ce200ae10001ea01f7000007f13f5000004f33f5000004f31f7000007f10ae10001da002ec424cd100029dffc1000000006f50000000005710"}, /* Q */
    {10, 1, 10, 9, 10, "9fffd91009c235e9009b0008d009b002cd009fffff6009c339a0009b000c7009b0004e109b0000c809b00006f2"}, /* R */
    {9, 0, 10, 9, 10, "019dfeb400bd5347600f60000000ea10000004efb830000047bf700000008f00000006f10c6436eb008cefd810"}, /* S */
    {9, -1, 10, 10, 10, "1ffffffff903338f333200006f000000006f000000006f000000006f000000006f000000006f000000006f000000006f0000"}, /* T */
    {10, 1, 10, 9, 10, "c900005f0c900005f0c900005f0c900005f0c900005f0c900005f0ba00006f09d0000ac02fa337f5003beec500"}, /* U */
    {10, 0, 10, 10, 10, "bb000002f45f200008d00e80000e7008d0005f2002f400bb0000ba02f500005f17e000001e6d80000009ef20000003fc0000"}, /* V */
    {14, 0, 10, 14, 10, "6e0000ec0002f42f4004ef1006f00d7007ac500ab00ab00b68900e7006f00f24d02f4002f44d01f16e0000d88a00c5ab00009bb60089e700006ff2004ef300002fd0001fe000"}, /* W */
    {10, 0, 10, 10, 10, "0ca0001d9002e6009d10006e24f400000bbd80000002fd00000008ef2000003f4ac00000d901e70008d1005f304f40000ac0"}, /* X */
    {9, -1, 10, 10, 10, "0ac00004f401e7001d80005f309c000009c5f3000001df700000007f000000006f000000006f000000006f000000006f0000"}, /* Y */
    {10, 0, 10, 9, 10, "3fffffffc1333336f7000002e9000001cb000000ad1000008e3000005f4000003f7000002eb3333336ffffffff"}, /* Z */
    {5, 1, 11, 4, 13, "cff2c700c700c700c700c700c700c700c700c700c700c700cff2"}, /* [ */
    {5, 0, 10, 5, 12, "d5000890003e0000e4000980004d0000e3000a70006c0001f2000b600045"}, /* \ */
    {5, 1, 11, 4, 13, "aff400f400f400f400f400f400f400f400f400f400f400f49ff4"}, /* ] */
    {12, 1, 11, 10, 4, "0004fd2000003e8bd10003e700ac102e60000ab0"}, /* ^ */
    {7, -1, -2, 9, 1, "2fffffff2"}, /* _ */
    {7, 1, 12, 4, 3, "55001d4002d2"}, /* ` */
    {9, 0, 8, 8, 8, "05ceea2005523ac0000001f303aefff40d9200f52f2003f50e701bf504ddd5e5"}, /* a */
    {9, 1, 11, 8, 11, "b8000000b8000000b8000000b89ee800be825e70bc0007d0b90004f1b90004f1bc0007d0be825e70b89ee800"}, /* b */
    {8, 0, 8, 7, 8, "007dfd808e62361e600003f200003f200001e6000008e6236007dfd8"}, /* c */
    {9, 0, 11, 8, 11, "000000a9000000a9000000a9009ee8a908e42ae91f6000e93f2000b93f2000a91f4000d908c107f9019ed9a9"}, /* d */
    {9, 0, 8, 8, 8, "007dfd6008d425e51e40007b3ffffffd3f3000001e70000008e62366006dfeb4"}, /* e */
    {5, 0, 11, 6, 11, "009ef305e21007c000afffd007c00007c00007c00007c00007c00007c00007c000"}, /* f */
    {9, 0, 8, 8, 11, "019ee8a909d429e91f5000d93f2000b93f2000b91f5000d909d429e9019ee8a9000000d7035229e203ceeb30"}, /* g */
    {9, 1, 11, 7, 11, "b800000b800000b800000b88ee80be835f5bb000a9b80009ab80009ab80009ab80009ab80009a"}, /* h */
    {4, 1, 11, 2, 11, "a96500a9a9a9a9a9a9a9a9"}, /* i */
    {4, -1, 11, 4, 14, "00a90065000000a900a900a900a900a900a900a900a900b803e54ea0"}, /* j */
    {8, 1, 11, 8, 11, "b8000000b8000000b8000000b8004e50b805e400b87e4000bdf30000bae90000b82e8000b802e800b8002e80"}, /* k */
    {4, 1, 11, 2, 11, "a9a9a9a9a9a9a9a9a9a9a9"}, /* l */
    {14, 1, 8, 12, 8, "b89ee609ed60be837fb737f2bb000db000e5b8000c8000c7b8000c8000c7b8000c8000c7b8000c8000c7b8000c8000c7"}, /* m */
    {9, 1, 8, 7, 8, "b89ee80bf503e5bb000a9b80009ab80009ab80009ab80009ab80009a"}, /* n */
    {9, 0, 8, 8, 8, "008efc4008e529f20f6000c82f20009b2f20009b0f6000c808e529f2008efc40"}, /* o */
    {9, 1, 8, 8, 11, "b9aee800bf502d70bb0006d0b90004f1b90004f1bc0007d0be825e70b89ee800b8000000b8000000b8000000"}, /* p */
    {9, 0, 8, 8, 11, "009ee8a908d429e91f5000e93f2000b93f2000b91f5000e908d429e9019ee8a9000000a9000000a9000000a9"}, /* q */
    {6, 1, 9, 5, 9, "00000b99ebbf601bb000b8000b8000b8000b8000b8000"}, /* r */
    {7, 0, 8, 7, 8, "04ceec21e722522f200000aea6100037ce300000c837324e62befd70"}, /* s */
    {5, 0, 10, 6, 10, "0b80000b80009ffff20b80000b80000b80000b80000a900008c21002bef2"}, /* t */
    {9, 1, 8, 7, 8, "c7000a9c7000a9c7000a9c7000a9c7000a9b8000c97d106f909ed8a9"}, /* u */
    {8, 0, 8, 8, 8, "6e0000aa1f4001e50aa005e005e10b9000e51f40009b6d00004fd800000df300"}, /* v */
    {11, 0, 8, 11, 8, "4e002f9008b1f306ed00c70c70a7f11f308b0d3b54e004e2e0898b001f9b04dc7000cf700ff30008f300be00"}, /* w */
    {8, 0, 8, 8, 8, "1e7003f504f31d90008d9d10000df300002ef50000ca7e2008d10bb04f4001e7"}, /* x */
    {8, 0, 8, 8, 11, "6e0000aa1e5001f409b006d003f10c8000c73f20006d9b00001ef500000ae000000b9000015f20000de70000"}, /* y */
    {7, 0, 8, 7, 8, "4fffffb00002e70001ca0000ac10008e20005f40002e600006fffffb"}, /* z */
    {9, 1, 11, 7, 13, "0007df2001f600002f200002f200002f200018e0004ff5000018e000002f200002f200002f200000f6000006df2"}, /* { */
    {5, 1, 11, 2, 15, "3e3e3e3e3e3e3e3e3e3e3e3e3e3e27"}, /* | */
    {9, 1, 11, 7, 13, "4fd6000008e000004f000004f000003f100001f7000006ff2001f700003f100004f000004f000008d0004fd5000"}, /* } */
    {12, 1, 7, 10, 4, "000000000018dea4129489449eff911000002000"}, /* ~ */
};
/* clang-format on */

/* clang-format off */
static const glyph title_glyphs[95] = {
    {7, 0, 0, 0, 0, ""}, /*   */
    {9, 2, 14, 4, 14, "5fff5fff5fff5fff5fff5fff3ffd2ffb0ffa078426665fff5fff5fff"}, /* ! */
    {10, 1, 14, 8, 6, "3ff02ff13ff02ff13ff02ff13ff02ff13ff02ff115500550"}, /* " */
    {16, 1, 14, 14, 14, "00000bf504fc0000001ff108f80000005fb00df3000afffffffffff90afffffffffff90012fe119f71100005fb00cf40000008f801ff1000bfffffffffff80bfffffffffff80114fd11bf61110007f900ef2000000af602fe0000000ef306fa00000"}, /* # */
    {13, 1, 15, 11, 18, "00002f6000000002f60000017ceffec810cffffffff15ffc5f747d17ff72f600006ffd7f600002ffffffc71006effffffd20016afffff900002f67ffd20002f61ffe8e855f88ffb8fffffffff427bdeffea3000002f6000000002f6000000002c50000"}, /* $ */
    {19, 0, 14, 19, 14, "019dec6000007f800000cfdaff60002ed100003ff208fd000bf5000005fe005ff005fb0000003ff207fd01ee20000000cfdaff609f70000000019dec603fd0169830000000000cf42effff7000000006f90afc16ff20000001ee10df600ff5000000af600ef600ef6000004fb000cf902ff300001df20004ffbdfb000008f8000005cfe910"}, /* % */
    {17, 1, 14, 15, 14, "0003adfec910000004fffffff3000000bffd668d3000000bff9000000000005ffe300000000009fffe300079910bffdffe200eff06ffc0affe23ffb0bff600cffecff60dff7001dffffd00bffd1002ffff4005fffe98dffffb0008fffffffefff80004aefec718fff5"}, /* & */
    {6, 1, 14, 4, 6, "3ff03ff03ff03ff03ff01550"}, /* ' */
    {9, 1, 15, 7, 18, "000dfd0006ff7000dff1004ffa000aff6000eff2002ffe0004ffd0005ffc0005ffd0003ffe0001fff1000cff40007ff80002ffd0000aff40002ffa00005870"}, /* ( */
    {9, 1, 15, 7, 18, "4ff80000cff20005ff90001ffe0000bff50007ff90004ffc0003ffe0002fff0002fff0003ffe0006ffb0009ff7000dff3003ffc0008ff5001efc0003883000"}, /* ) */
    {10, 0, 14, 10, 10, "0000cc00000300cc00306fa2cc2af518efeefe71002dffd20006dffffd506fc3cc4cf51500cc00600000cc00000000210000"}, /* * */
    {16, 2, 13, 12, 13, "00001550000000002ff1000000002ff1000000002ff1000000002ff1000044445ff44443fffffffffffefffffffffffe00002ff1000000002ff1000000002ff1000000002ff1000000002ff10000"}, /* + */
    {7, 1, 4, 5, 7, "088821fff41fff42fff35ff909fd10df500"}, /* , */
    {8, 1, 7, 6, 3, "bccccafffffdfffffd"}, /* - */
    {7, 1, 4, 5, 4, "1bbb31fff41fff41fff4"}, /* . */
    {7, 0, 14, 7, 16, "00004fc00009f70000df30003fd00008f80000cf40002fe00006fa0000bf50001ff10005fb0000af60000ef20004fc00008f80000df30000"}, /* / */
    {13, 0, 14, 13, 14, "00029dfeb4000004fffffff70002effd8bfff4008ffe100cffb00cffa0007fff10fff80005fff31fff70004fff41fff70004fff40fff80005fff30cffa0007fff108ffe100cffb001effd8bfff40004fffffff7000002adfeb4000"}, /* 0 */
    {13, 2, 14, 10, 14, "59cfffc000dfffffc000ddacffc0001009ffc0000009ffc0000009ffc0000009ffc0000009ffc0000009ffc0000009ffc0000009ffc000688cffd887cffffffffecffffffffe"}, /* 1 */
    {13, 1, 14, 11, 14, "16adefea4007ffffffff707fea8bffff25600007fff60000002fff60000005fff3000002dffa000003dffb000004effa000006fff8000009fff6000007fffdbbbbb68fffffffff88fffffffff8"}, /* 2 */
    {13, 1, 14, 11, 14, "18bdefeb6002ffffffffb02ea98aefff40000005fff5000002afff3005ffffff90005fffff700002669effa00000003fff60000000effa5200004fffabfb98bffff5bffffffff9049cefeda400"}, /* 3 */
    {13, 0, 14, 13, 14, "000001dfff600000009ffff60000003fffff6000000dfafff6000008fe1fff600003ff60fff60000cfb00fff60007fe200fff6001ff6000fff6002fffffffffff52fffffffffff51aaaaaafffca30000000fff6000000000fff600"}, /* 4 */
    {13, 1, 14, 11, 14, "0ffffffffd00ffffffffd00ffebbbbb900ffd00000000fffdfeb5000ffffffff900fda8affff50300004fffa0000000bffd0000000cffd6500004fffa8fea8affff48ffffffff7016adefda300"}, /* 5 */
    {13, 1, 14, 12, 14, "0004adfec920009fffffff4008fffa778b402fff400000007ffc8dfd9100affffffffd20cfffe78fffa0cfff4008fff1bfff1004fff39fff1004fff24fff4007ffe00cffd67eff8002effffffb000018dfec6000"}, /* 6 */
    {13, 1, 14, 11, 14, "bfffffffffbbfffffffffb8bbbbbbfff80000006fff1000000dff90000005fff2000000cffb0000004fff4000000affc0000002fff50000009ffd0000001eff70000007ffe1000000eff800000"}, /* 7 */
    {13, 1, 14, 12, 14, "017cefed92000cfffffffe306fff958fff908ffe000affb05fff403eff600bffffffe700009fffffc4001bff958fff508ffb0008ffd0cff90005fff0cffb0008ffe08fff968fffa01dfffffffe20017cefec8100"}, /* 8 */
    {13, 0, 14, 12, 14, "0006befd920000bffffffe4007fff86bffe10dff9001eff70fff7000dffb0eff9001effe0afff97cffff02dffffffffe0019dfd99ffd00000000bffa00100005fff401ea77bfffa001fffffffb10018cefeb5000"}, /* 9 */
    {8, 2, 11, 4, 11, "dff7dff7dff79bb50000000000009bb5dff7dff7dff7"}, /* : */
    {8, 1, 11, 5, 14, "0dff70dff70dff709bb50000000000000000dff70dff70dff71ffe24ff708fc0068300"}, /* ; */
    {16, 2, 12, 12, 12, "000000000038000000017cfe000005bffffb0039efffd8307dfffe940000fffa50000000fffe9400000028dfffd830000004aefffd720000016cfffe0000000028de000000000003"}, /* < */
    {16, 2, 10, 12, 7, "fffffffffffefffffffffffe444444444443000000000000444444444444fffffffffffefffffffffffe"}, /* = */
    {16, 2, 12, 12, 12, "830000000000ffc610000000dffffa500000038efffe8300000049efffc600000015bffe00000049effe00038efffd7228dfffe94000ffffb6100000fd7200000000400000000000"}, /* > */
    {11, 1, 14, 9, 14, "38cefda20affffffe3afb8afff952000affb00000cffa00008fff30009fff50006fff50000bffa00000344200000566400000cff900000cff900000cff9000"}, /* ? */
    {19, 1, 14, 17, 17, "000005adfec7200000003dffecdfff7000005ff9200016ef90003ee400000001cf700bf5008ee98f71ee13fb008ffdfef707f68f501ff404ff703f9af104fc000cf702fabf006fb000bf703f8af104fd000df709f58f401ef717ff87fc03fa006ffffdfffc200cf4005ab66b9500003fe4000000021000005ff9200028e80000004dffedeffe6000000006befeb710000"}, /* @ */
    {15, 0, 14, 15, 14, "00000efffa0000000005fffff100000000bfffff600000001fffdffb00000006ffe4fff2000000cff90eff7000002fff409ffd000008ffe004fff30000dff9000eff90004ffffffffffe0009fffffffffff501effcaaaaaeffa05fff4000008fff1bffd0000003fff6"}, /* A */
    {14, 1, 14, 13, 14, "4ffffffec71004fffffffffd104fffa88cfff604fff5001fff804fff5005fff704fffffffffe104ffffffffe4004fffa88bfff404fff5000affd04fff50007fff14fff5000afff14fffa88bfffd04ffffffffff404ffffffed9300"}, /* B */
    {14, 0, 14, 13, 14, "000028cefeb710008ffffffffb008ffffdabefb03fffe40000480afff400000000effd000000000fffa000000000fffa000000000effd000000000afff4000000003fffe4000048009ffffdabefb0008ffffffffb000028cefeb61"}, /* C */
    {16, 1, 14, 14, 14, "4fffffeda610004fffffffffe4004fffdcdfffff404fff50018fffe14fff500009fff64fff500002fffa4fff500000effb4fff500000effb4fff500002fffa4fff500009fff64fff50019fffe14fffdcdfffff404fffffffffe4004fffffeda61000"}, /* D */
    {13, 1, 14, 11, 14, "4fffffffff64fffffffff64fffdccccc54fff50000004fff50000004fffdccccc04fffffffff04fffffffff04fff50000004fff50000004fff50000004fffdccccc74fffffffff94fffffffff9"}, /* E */
    {13, 1, 14, 11, 14, "4fffffffff64fffffffff64fffdccccc54fff50000004fff50000004fffdccccc04fffffffff04fffffffff04fff50000004fff50000004fff50000004fff50000004fff50000004fff5000000"}, /* F */
    {16, 0, 14, 15, 14, "000028cefeda6100007fffffffffa0008ffffdbacffa003fffe5000005700afff40000000000effd00000000000fffa0006fffff30fffa0006fffff30effd000379fff30afff400003fff303fffe40003fff3009ffffdbbdfff30008fffffffffe2000028cefeca500"}, /* G */
    {16, 1, 14, 14, 14, "4fff500006fff24fff500006fff24fff500006fff24fff500006fff24fff500006fff24fffdccccdfff24ffffffffffff24ffffffffffff24fff500006fff24fff500006fff24fff500006fff24fff500006fff24fff500006fff24fff500006fff2"}, /* H */
    {7, 1, 14, 5, 14, "4fff54fff54fff54fff54fff54fff54fff54fff54fff54fff54fff54fff54fff54fff5"}, /* I */
    {7, -2, 14, 8, 18, "0004fff50004fff50004fff50004fff50004fff50004fff50004fff50004fff50004fff50004fff50004fff50004fff50004fff50005fff4001cfff11cefffb01ffffd201fec8100"}, /* J */
    {15, 1, 14, 15, 14, "4fff50002dffe304fff5002dffe3004fff502effe30004fff52effe300004fff7effe2000004ffffffe20000004ffffff300000004ffffffb10000004fffdfffb1000004fff5afffb100004fff50afffb10004fff500afffb1004fff5000afffb104fff50000afffb1"}, /* K */
    {12, 1, 14, 11, 14, "4fff50000004fff50000004fff50000004fff50000004fff50000004fff50000004fff50000004fff50000004fff50000004fff50000004fff50000004fffdccccc74fffffffff94fffffffff9"}, /* L */
    {19, 1, 14, 17, 14, "4ffff8000009ffff24ffffe00001effff24fffff50007fffff24fffffb000dfffff24fffaff304ffafff24fff4ff90bff4fff24fff2bfe3ff93fff24fff24ffdff33fff24fff20dfffc03fff24fff207fff503fff24fff201efe003fff24fff200353003fff24fff200000003fff24fff200000003fff2"}, /* M */
    {16, 1, 14, 14, 14, "4fffe10004fff24ffff80004fff24ffffe1004fff24fffff9004fff24fffeff204fff24fff6ff904fff24fff2cff24fff24fff24ffa4fff24fff20bff6fff24fff203ffefff24fff200afffff24fff2002fffff24fff20009ffff24fff20002ffff2"}, /* N */
    {16, 0, 14, 16, 14, "00004adefda50000001affffffffb10000afffebbefffc0004fffc1001afff700afff300001effd00effc000000afff10fffb0000008fff20fffb0000008fff20effc000000afff10afff300001effd004fffc1001afff7000afffebbefffc00001affffffffb10000004adefda50000"}, /* O */
    {14, 1, 14, 13, 14, "4ffffffec81004fffffffffd204fffcabefffb04fff5001cfff14fff50009fff24fff5001dfff14fffcabefffb04fffffffffd204ffffffec81004fff5000000004fff5000000004fff5000000004fff5000000004fff500000000"}, /* P */
    {16, 0, 14, 16, 17, "000049defda50000001affffffffc10000afffebbefffc1004fffc1001afff700afff300001effd00effc000000afff10fffb0000008fff20fffa0000008fff20effc000000afff00afff300001effc005fffb1001afff6000afffebaefffb00001affffffffa100000049defff90000000000002eff50000000000003eff4000000000000488700"}, /* Q */
    {15, 1, 14, 14, 14, "4ffffffec700004fffffffffb0004fffcabffff4004fff5005fff7004fff5002fff6004fff5019fff1004ffffffffe40004ffffffff700004fffa9dfff70004fff500cfff2004fff5003fff9004fff5000bfff104fff50004fff804fff50000cffe1"}, /* R */
    {14, 1, 14, 12, 14, "006befeda7200affffffff605fffebbdff609ffc000015309ffb000000005fffd96300000bffffffd700006cffffff900000148efff200000004fff479300006fff38ffebacfffe08fffffffff50048cdffd9300"}, /* S */
    {13, 0, 14, 13, 14, "efffffffffffdefffffffffffdbcccdfffdccca00005fff4000000005fff4000000005fff4000000005fff4000000005fff4000000005fff4000000005fff4000000005fff4000000005fff4000000005fff4000000005fff40000"}, /* T */
    {15, 1, 14, 13, 14, "4fff50000dffa4fff50000dffa4fff50000dffa4fff50000dffa4fff50000dffa4fff50000dffa4fff50000dffa4fff50000dffa3fff50000effa2fff70001fff90effd1008fff608fffebdfffe101bfffffffe400006befec8200"}, /* U */
    {15, 0, 14, 15, 14, "bffd0000002fff65fff3000008fff11eff900000dffa009ffe00003fff5004fff40009ffe0000dffa000eff900008ffe104fff300002fff50affd000000cffb1eff70000006fff6fff20000001fffeffb00000000bfffff6000000005fffff1000000000efffa00000"}, /* V */
    {21, 0, 14, 21, 14, "5fff20005fff50002fff41fff50009fff80006fff00dff9000cfffc0009ffc009ffc001ffeff100dff8006fff104ff7ff401fff5002fff408fe1ff705fff1000eff80bfb0cfb08ffd0000affb0ef808fe0cff900007fff4ff405ff3fff600003fffaff101ffafff200000effffc000dffffe000000bffff90009ffffa0000007ffff50006ffff70000004ffff10002ffff3000"}, /* W */
    {15, 0, 14, 15, 14, "2eff900001effb007fff4000affe2000bffd105fff600002eff91effb0000006fffcffe20000000bfffff6000000002efffb0000000004ffffd100000001dfffff900000009fff9fff4000004fff70cffd10001dffc003fff90009ffe20007fff405fff600000cffd1"}, /* X */
    {14, -1, 14, 15, 14, "0dffe100004fff903fffa0001dffe1008fff5008fff50001dffd13fffa000004fff9cffe10000009ffffff500000001dffffb0000000005fffe20000000000effa00000000000effa00000000000effa00000000000effa00000000000effa00000000000effa00000"}, /* Y */
    {14, 0, 14, 13, 14, "0effffffffffb0effffffffffb0bccccccefff700000005fffa00000003effc00000001dffd20000000cfff300000009fff500000007fff800000004fffa00000002effc10000001dfffdccccccb2fffffffffffe2fffffffffffe"}, /* Z */
    {9, 1, 15, 7, 18, "5fffff65fffff65ffc2215ffc0005ffc0005ffc0005ffc0005ffc0005ffc0005ffc0005ffc0005ffc0005ffc0005ffc0005ffc0005fffff65fffff61222221"}, /* [ */
    {7, 0, 14, 7, 16, "df300008f800004fc00000ef20000af600005fb00001ff10000bf500006fa00002fe00000cf400008f800003fd00000df300009f700004fc"}, /* \ */
    {9, 1, 15, 7, 18, "bfffff1bfffff1224fff1002fff1002fff1002fff1002fff1002fff1002fff1002fff1002fff1002fff1002fff1002fff1002fff1bfffff1bfffff12222220"}, /* ] */
    {16, 1, 15, 13, 6, "000003882000000002effd20000001dffffc100001cff67ffb0000bfd3004efa009fb100002cf8"}, /* ^ */
    {10, 0, -3, 10, 2, "ccccccccc6fffffffff8"}, /* _ */
    {10, 0, 16, 7, 4, "068500003ef400003ee100004eb0"}, /* ` */
    {13, 0, 11, 12, 11, "029ceffda40004ffffffff5004c7656cffe000000012fff3006beffffff509fffffffff51fff9101fff52fff3005fff50fffb57efff508fffffbfff5007dfd81fff5"}, /* a */
    {14, 1, 15, 12, 15, "6ffe000000006ffe000000006ffe000000006ffe000000006ffe18dfc5006ffebfffff706ffffa9efff26fff6003fff76fff1000cffa6ffe0000bffb6fff1000cffa6fff6003fff76ffffa9efff26ffecfffff706ffe19dfc500"}, /* b */
    {11, 0, 11, 10, 11, "0004adfec8009fffffff06fffe98af0dffd100021fff7000003fff5000001fff7000000dffd1000206fffd98ae009fffffff0004adfec8"}, /* c */
    {14, 0, 15, 12, 15, "000000005fff000000005fff000000005fff000000005fff0019eec45fff00cfffffafff07fffc8cffff0dffc000cfff1fff60007fff2fff50005fff1fff60007fff0dffc000cfff07fffc8cffff01cfffffbfff0019efc55fff"}, /* d */
    {13, 0, 11, 12, 11, "0005befeb400009fffffff8006ffe858fff40dff70009ffb2ffffffffffe3fffffffffff2fff622222220dffa000002407fffa557bf7009ffffffff70005aefeca51"}, /* e */
    {8, 0, 15, 9, 15, "0008dfff7008fffff700dffa44200fff5000afffffff3afffffff347fff977100fff500000fff500000fff500000fff500000fff500000fff500000fff500000fff5000"}, /* f */
    {14, 0, 11, 12, 15, "0019eec45fff00cfffffafff07fffc8cffff0dffc000cfff1fff60007fff2fff50005fff1fff60007fff0dffb000cfff07fffc8cffff00cfffffbfff0019efc56ffe00100000bffb00d9646bfff500dfffffff80006befed9300"}, /* g */
    {14, 1, 15, 12, 15, "6ffe000000006ffe000000006ffe000000006ffe000000006ffe07dfd6006ffebfffff506ffffbafffc06fff8008fff06fff1005fff16ffe0005fff16ffe0004fff16ffe0004fff16ffe0004fff16ffe0004fff16ffe0004fff1"}, /* h */
    {7, 1, 15, 4, 15, "6ffe6ffe5ccb00006ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe"}, /* i */
    {7, -1, 15, 6, 19, "006ffe006ffe005ccb000000006ffe006ffe006ffe006ffe006ffe006ffe006ffe006ffe006ffe006ffe006ffe008ffd25dffa9ffff39feb40"}, /* j */
    {13, 1, 15, 12, 15, "6ffe000000006ffe000000006ffe000000006ffe000000006ffe000bffe36ffe00affe306ffe09ffe3006ffe9ffe30006fffffe300006fffffd100006ffedffc10006ffe3effb0006ffe04fffa006ffe005fff906ffe0007fff8"}, /* k */
    {7, 1, 15, 4, 15, "6ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe6ffe"}, /* l */
    {20, 1, 11, 18, 11, "6ffe19eea104cfd8006ffecffffd6fffff906ffffacffffeadfff16fff700efff203fff36fff100cffb001fff46ffe000bffa001fff46ffe000bff9001fff46ffe000bff9001fff46ffe000bff9001fff46ffe000bff9001fff46ffe000bff9001fff4"}, /* m */
    {14, 1, 11, 12, 11, "6ffe18dfd6006ffecfffff506ffffbafffc06fff8008fff06fff1005fff16ffe0005fff16ffe0004fff16ffe0004fff16ffe0004fff16ffe0004fff16ffe0004fff1"}, /* n */
    {13, 0, 11, 13, 11, "0005befeb500000afffffffa0007fffb8bfff700dffb000affe02fff60005fff23fff50004fff32fff60005fff20dffb000affe007fffb8bfff7000afffffffa000005befeb6000"}, /* o */
    {14, 1, 11, 12, 15, "6ffe18dfc5006ffecfffff706ffffa9efff26fff6003fff76fff1000cffa6ffe0000bffb6fff1000cffa6fff6003fff76ffffa9efff26ffebfffff706ffe18dfc5006ffe000000006ffe000000006ffe000000006ffe00000000"}, /* p */
    {14, 0, 11, 12, 15, "0019eec45fff01cfffffafff07fffc8cffff0dffc000cfff1fff60007fff2fff50005fff1fff60007fff0dffc000cfff07fffc8cffff01cfffffafff0019efc55fff000000005fff000000005fff000000005fff000000005fff"}, /* q */
    {9, 1, 12, 9, 12, "0000000016ffe19ef56ffecfff56ffffc8a46fff900006fff200006fff000006ffe000006ffe000006ffe000006ffe000006ffe00000"}, /* r */
    {11, 0, 11, 11, 11, "006befeda5008fffffffb00eff8567cb00fff10000100bfffca730003dffffff9000047adfff30100000dff50db7657fff40dfffffffc0059cefec710"}, /* s */
    {9, 0, 14, 9, 14, "01fff300001fff300001fff3000bfffffffabfffffffa58fff977401fff300001fff300001fff300001fff300001fff400000effc77200afffff50019efff5"}, /* t */
    {14, 1, 11, 11, 11, "8ffc0006ffe8ffc0006ffe8ffc0006ffe8ffc0006ffe8ffc0006ffe8ffc0006ffe8ffd0008ffe7fff101effe4fffdaefffe0cfffffbffe01aeeb46ffe"}, /* u */
    {12, 0, 11, 13, 11, "8ffc00006ffe02fff2000bff800cff7001fff3006ffc006ffc0001fff20bff60000aff71fff100005ffc6ffa000000effdff50000008ffffe00000003ffff900000000cfff30000"}, /* v */
    {18, 0, 11, 17, 11, "3fff000bff4007ffb0eff400eff800aff80bff703fffb00eff407ffa06fefe02fff103ffe0af8ef36ffc000eff2df5bf79ff8000bff7ff18fadff40007ffefd04fefff10003ffff901ffffc00000efff600cfff800000bfff2009fff400"}, /* w */
    {12, 0, 11, 12, 11, "3fff5002eff607ffd10bffb000cff96ffe20002effeff5000006ffff90000001efff30000009ffffc000004fffdff80001eff74fff300affc008ffd16fff2001dff9"}, /* x */
    {12, 0, 11, 13, 15, "8ffb00007ffd02fff2000cff700bff8002fff2005ffd006ffb0000dff40bff600007ffa1ffe100001fff7ff9000000afffff40000004ffffd00000000dfff8000000006fff2000000004ffc000000045cff50000001ffffc00000001ffe91000000"}, /* y */
    {11, 0, 11, 11, 11, "0effffffff20effffffff2067777effe1000009ffe3000007fff4000006fff6000004fff7000003eff9000001effe7777712fffffffff22fffffffff2"}, /* z */
    {14, 2, 15, 10, 19, "00005ceff20004fffff2000affd430000bff8000000bff6000000bff6000000dff6000017fff30009ffff800009fffe70000139fff3000000dff5000000bff6000000bff6000000bff70000009ffc2000005fffff200008efff20000002220"}, /* { */
    {7, 2, 15, 3, 20, "9f89f89f89f89f89f89f89f89f89f89f89f89f89f89f89f89f89f89f86a5"}, /* | */
    {14, 2, 15, 10, 19, "9ffea200009ffffc0000138fff2000000fff4000000dff4000000dff4000000dff6000000affc3000002cffff20002cffff2000affd520000dff7000000dff4000000dff4000000eff4000016fff20009ffffc00009fffc300001221000000"}, /* } */
    {16, 2, 8, 12, 5, "0023200000035cfffe9645adfffffffffffdd61026aefd92100000000000"}, /* ~ */
};
/* clang-format on */

#endif
