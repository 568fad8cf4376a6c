# The text that the programs work on: 60,000 lines, some 2 MB, the same every time.
BEGIN {
    state = 12345
    split("ab ba ra ta cad rab ob il en um", syllable, " ")
    for (line = 0; line < 60000; line++) {
        state = (state * 16807) % 2147483647
        text = line " " state % 10007
        for (word = 0; word < 4; word++) {
            text = text " "
            for (part = 0; part < 2; part++) {
                state = (state * 16807) % 2147483647
                text = text syllable[int(state / 1000) % 10 + 1]
            }
        }
        print text
    }
}
