/* The letters of the game, each 5 dots wide and 8 high: 12 side by side.
 * SPDX-License-Identifier: MIT */
#include "canvas.h"

enum { PER_LINE = 12, CELL = 6, ROWS = 8 };

/* clang-format off */
static const char *const letters[] = {
    /*   ! " # $ % & ' ( ) * + */
    "      #     # #    # #    #   ##  #  #    #      #    #                 ",
    "      #     # #    # #   #### ##  # # #   #     #      #      #     #   ",
    "      #           ##### # #      #  # #         #      #    # # #   #   ",
    "      #            # #   ###    #    #          #      #     ###  ##### ",
    "      #           #####   # #  #    # # #       #      #    # # #   #   ",
    "                   # #  ####  #  ## #  #        #      #      #     #   ",
    "      #            # #    #   #  ##  ## #        #    #                 ",
    "                                                                        ",
    /* , - . / 0 1 2 3 4 5 6 7 */
    "                     #   ##     #    ##   ###      #  ####   ##   ####  ",
    "                     #  #  #   ##   #  #     #    ##  #     #        #  ",
    "                    #   #  #    #      #     #   # #  ###   ###      #  ",
    "      ###           #   #  #    #     #    ##   #  #     #  #  #    #   ",
    "                   #    #  #    #    #       #  ####     #  #  #    #   ",
    " #                #     #  #    #   #        #     #  #  #  #  #   #    ",
    " #          #     #      ##    ###  ####  ###      #   ##    ##    #    ",
    "#                                                                       ",
    /* 8 9 : ; < = > ? @ A B C */
    " ##    ##                  #        #      ##    ###   ###  ####   ###  ",
    "#  #  #  #                #          #    #  #  #   # #   # #   # #   # ",
    "#  #  #  #  #      #     #    ####    #      #  # ### #   # #   # #     ",
    " ##    ###              #              #    #   # # # ##### ####  #     ",
    "#  #     #               #    ####    #    #    # ### #   # #   # #     ",
    "#  #     #         #      #          #          #     #   # #   # #   # ",
    " ##    ##   #      #       #        #      #     ###  #   # ####   ###  ",
    "                  #                                                     ",
    /* D E F G H I J K L M N O */
    "####  ####  ####   ###  #   # ###     ##  #   # #     #   # #   #  ###  ",
    "#   # #     #     #   # #   #  #       #  #  #  #     ## ## ##  # #   # ",
    "#   # #     #     #     #   #  #       #  # #   #     # # # # # # #   # ",
    "#   # ###   ###   # ### #####  #       #  ##    #     # # # #  ## #   # ",
    "#   # #     #     #   # #   #  #       #  # #   #     #   # #   # #   # ",
    "#   # #     #     #   # #   #  #    #  #  #  #  #     #   # #   # #   # ",
    "####  ####  #      ###  #   # ###    ##   #   # ####  #   # #   #  ###  ",
    "                                                                        ",
    /* P Q R S T U V W X Y Z [ */
    "####   ###  ####   #### ##### #   # #   # #   # #   # #   # ##### ##    ",
    "#   # #   # #   # #       #   #   # #   # #   # #   # #   #     # #     ",
    "#   # #   # #   # #       #   #   # #   # #   #  # #   # #     #  #     ",
    "####  #   # ####   ###    #   #   # #   # # # #   #     #     #   #     ",
    "#     # # # # #       #   #   #   # #   # # # #  # #    #    #    #     ",
    "#     #  #  #  #      #   #   #   #  # #  ## ## #   #   #   #     #     ",
    "#      ## # #   # ####    #    ###    #   #   # #   #   #   ##### ##    ",
    "                                                                        ",
    /* \ ] ^ _ ` a b c d e f g */
    "#     ##      #         #           #              #         ##         ",
    "#      #     # #         #          #              #        #           ",
    " #     #    #   #              ##   ###    ##    ###   ##   ##     ###  ",
    " #     #                         #  #  #  #     #  #  #  #  #     #  #  ",
    "  #    #                       ###  #  #  #     #  #  ####  #     #  #  ",
    "   #   #                      #  #  #  #  #     #  #  #     #      ###  ",
    "   #  ##                       ###  ###    ##    ###   ##   #        #  ",
    "                  ####                                             ##   ",
    /* h i j k l m n o p q r s */
    "#     #      #    #     #                                               ",
    "#                 #     #                                               ",
    "###   #      #    #  #  #     ## #  ###    ##   ###    ###  # #    ###  ",
    "#  #  #      #    # #   #     # # # #  #  #  #  #  #  #  #  ##    #     ",
    "#  #  #      #    ##    #     # # # #  #  #  #  #  #  #  #  #      ##   ",
    "#  #  #      #    # #   #     # # # #  #  #  #  ###    ###  #        #  ",
    "#  #  #      #    #  #   #    # # # #  #   ##   #        #  #     ###   ",
    "            #                                   #        #              ",
    /* t u v w x y z { | } ~ */
    " #                                          #   #     #                 ",
    " #                                         #    #      #                ",
    "###   #  #  #   # #   # #  #  #  #  ####   #    #      #     #          ",
    " #    #  #  #   # # # # #  #  #  #     #  #     #       #   # # #       ",
    " #    #  #  #   # # # #  ##   #  #    #    #    #      #       #        ",
    " #    #  #   # #  # # # #  #   ###   #     #    #      #                ",
    "  #    ###    #    # #  #  #     #  ####    #   #     #                 ",
    "                               ##                                       ",
};
/* clang-format on */

/* The row of dots of a letter; those that have no shape are a question mark. */
static const char *dots(unsigned char letter, int row) {
  if (letter < ' ' || letter > '~')
    letter = '?';
  int index = letter - ' ';
  return letters[index / PER_LINE * ROWS + row] + index % PER_LINE * CELL;
}

/* Letters are as wide as their dots, and have one column between them. */
static int letter_width(unsigned char letter) {
  int width = letter == ' ' ? 2 : 1;
  for (int row = 0; row < ROWS; row++)
    for (int x = width; x < CELL - 1; x++)
      if (dots(letter, row)[x] == '#')
        width = x + 1;
  return width + 1;
}

int text_width(const char *text) {
  int width = 0;
  for (; *text; text++)
    width += letter_width((unsigned char)*text);
  return width > 0 ? width - 1 : 0;
}

int draw_text(int x, int y, const char *text, color c) {
  for (; *text; text++) {
    unsigned char letter = (unsigned char)*text;
    for (int row = 0; row < ROWS; row++)
      for (int column = 0; column < CELL - 1; column++)
        if (dots(letter, row)[column] == '#')
          fill(x + column, y + row, 1, 1, c);
    x += letter_width(letter);
  }
  return x;
}
