# SPDX-License-Identifier: MIT
# bash completion for cassin(1) and cassind(8)

_cassin_socket()
{
    local i
    for ((i = 1; i < cword; i++)); do
        if [[ ${words[i]} == --socket ]]; then
            printf '%s\n' "${words[i + 1]}"
            return
        fi
    done
}

# The names of guests, if a daemon answers.
_cassin_guests()
{
    local socket
    socket=$(_cassin_socket)
    COMPREPLY+=($(compgen -W "$("${words[0]}" ${socket:+--socket "$socket"} ps -q 2>/dev/null)" -- "$cur"))
}

_cassin_files()
{
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f -- "$cur"))
}

# The names of templates, likewise.
_cassin_templates()
{
    local socket
    socket=$(_cassin_socket)
    COMPREPLY+=($(compgen -W "$("${words[0]}" ${socket:+--socket "$socket"} template ls 2>/dev/null |
        awk 'NR > 1 { print $1 }')" -- "$cur"))
}

_cassin_has()
{
    local i
    for ((i = 1; i < cword; i++)); do
        [[ ${words[i]} == "$1" ]] && return
    done
    return 1
}

# The values of the option before the cursor. Fails if it takes none.
_cassin_value()
{
    case $prev in
    --socket | --spec | --file) _cassin_files ;;
    --out | --examples | --state) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -d -- "$cur")) ;;
    --isolation) COMPREPLY+=($(compgen -W 'cell vm' -- "$cur")) ;;
    --restart) COMPREPLY+=($(compgen -W 'no on-failure always' -- "$cur")) ;;
    --backend) COMPREPLY=($(compgen -W 'auto kvm process' -- "$cur")) ;;
    --sandbox) COMPREPLY=($(compgen -W 'on log off' -- "$cur")) ;;
    --template) _cassin_templates ;;
    --sort) COMPREPLY+=($(compgen -W 'name state cpu memory exits accepted in out uptime' -- "$cur")) ;;
    --memory) COMPREPLY+=($(compgen -W '512K 1M 4M 16M 64M' -- "$cur")) ;;
    --name | --domain | --workers | --gdb | --pool | --ready-fd | --max-guests | --memory-wait | --park | --swap-size | --grace | --timeout | --weight | --cpu-max | --interval | --ramp | --runs | --warmup | --measure | --reserve | --peer | --hypervisor | -t | -n | -p) ;;
    *) return 1 ;;
    esac
}

# Where the command stands: sets `command`; empty when it is yet to come.
_cassin_command()
{
    local i
    command=
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
        --socket) ((i++)) ;;
        -*) ;;
        *) command=${words[i]}; return ;;
        esac
    done
}

_cassin_init()
{
    words=("${COMP_WORDS[@]}")
    cword=$COMP_CWORD
    cur=${words[cword]}
    prev=${words[cword - 1]}
    COMPREPLY=()
}

_cassin()
{
    local words cword cur prev command options
    local commands='run spawn ps inspect logs stop kill restart rm stats top connect debug trace density conformance template new doctor version help'
    local guest='-p --name --memory --domain --weight --cpu-max --file --isolation --restart --spec'
    _cassin_init
    _cassin_command
    _cassin_value && return
    if [[ -z $command ]]; then
        COMPREPLY=($(compgen -W "$commands --socket --help --version" -- "$cur"))
        return
    fi
    case $command in
    run) options="$guest --workers --gdb --trace --backend --sandbox" ;;
    spawn) options="$guest -n --template --atomic --trace --wait --timeout --json" ;;
    ps) options='--quiet --json' ;;
    inspect | stats) options='--all --json' ;;
    density) options='--out --ramp --runs --warmup --measure --reserve --examples --peer --backend --no-baseline --list --quiet' ;;
    conformance) options='--hypervisor --backend --list --json' ;;
    top) options='--interval --sort --reverse --once --json' ;;
    logs) options='--follow --all' ;;
    trace) options='--count --json' ;;
    stop) options='--grace --all --no-wait' ;;
    kill | restart | rm) options='--all' ;;
    template) options='--memory --domain --file --spec --template --timeout --json' ;;
    new) options='--kernel' ;;
    doctor | version) options='--json' ;;
    *) options= ;;
    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$options --socket --help" -- "$cur"))
        return
    fi
    case $command in
    run | spawn) _cassin_files ;;
    ps | inspect | logs | stop | kill | restart | rm | stats | top | debug | trace) _cassin_guests ;;
    template)
        if _cassin_has rm; then
            _cassin_templates
        elif _cassin_has create; then
            _cassin_files
        elif ! _cassin_has ls; then
            COMPREPLY=($(compgen -W 'create ls rm' -- "$cur"))
        fi
        ;;
    connect) [[ $prev == connect ]] && _cassin_guests ;;
    density) COMPREPLY=($(compgen -W "compare $("${words[0]}" density --list 2>/dev/null | cut -d' ' -f1)" -- "$cur")) ;;
    conformance) COMPREPLY=($(compgen -W "$("${words[0]}" conformance --list 2>/dev/null | cut -f1)" -- "$cur")) ;;
    help) COMPREPLY=($(compgen -W "$commands" -- "$cur")) ;;
    esac
}

_cassind()
{
    local words cword cur prev
    _cassin_init
    _cassin_value && return
    COMPREPLY=($(compgen -W '--socket --state --workers --pool --max-guests --no-overcommit --memory-wait --park --swap --swap-size --backend --sandbox --ready-fd --version --help' -- "$cur"))
}

complete -F _cassin cassin
complete -F _cassind cassind
