# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of lodgectl for bash. What there is comes from the tool itself ('lodgectl help --commands').

# The words of the table's line for a command; "-" is the line of the options that all commands take.
__lodgectl_words() {
        local first rest
        while read -r first rest; do
                [[ $first == "$1" ]] && printf '%s\n' "$rest"
        done <<<"$2"
}

__lodgectl_queues() {
        "$1" list --no-legend --no-pager --timeout=1s 2>/dev/null | while read -r name _; do
                printf '%s\n' "$name"
        done
}

# The name that is the command on the line so far, if there is one yet.
__lodgectl_command() {
        local word
        for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
                [[ $'\n'$1 == *$'\n'"$word "* || $'\n'$1$'\n' == *$'\n'"$word"$'\n'* ]] || continue
                [[ $word == -* ]] || printf '%s' "$word"
                return
        done
}

_lodgectl() {
        local tool=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
        local table command words
        COMPREPLY=()
        table=$("$tool" help --commands 2>/dev/null) || return
        command=$(__lodgectl_command "$table")

        # readline splits "--json=sh" into three words.
        [[ $current == '=' ]] && current=
        [[ $previous == '=' ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
        case $previous in
        --json) words='short pretty off' ;;
        --kind) words='queue' ;;
        --socket | --file)
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
                return
                ;;
        --exec)
                mapfile -t COMPREPLY < <(compgen -c -- "$current")
                return
                ;;
        *)
                if [[ $current == -* ]]; then
                        words="$(__lodgectl_words - "$table") $(__lodgectl_words "$command" "$table")"
                elif [[ -z $command || $command == help ]]; then
                        words=$(while read -r first _; do [[ $first == - ]] || printf '%s\n' "$first"; done <<<"$table")
                else
                        case $command in
                        peers | version) words= ;;
                        *) words=$(__lodgectl_queues "$tool") ;;
                        esac
                fi
                ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
        # An option that wants a value goes on without a blank.
        [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}

complete -F _lodgectl lodgectl
